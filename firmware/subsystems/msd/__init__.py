"""The target's virtual drive and the images it offers."""
