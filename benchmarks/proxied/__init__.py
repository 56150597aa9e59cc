"""What a load balancer before the gateway costs."""
