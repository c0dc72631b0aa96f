"""What the models are, and the service that holds them."""
