"""Mixed load on a live appliance for as long as one likes, and whether anything of it grew (`just soak`)."""
