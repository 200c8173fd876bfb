"""What the appliance says of itself: versions, health, platform, extras."""
