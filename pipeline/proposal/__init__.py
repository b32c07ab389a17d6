"""What `roundabout init` proposes: folders looked at, and a params.yaml for them."""
