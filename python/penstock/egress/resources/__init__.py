"""`Gateway` and `VirtualService` resources (gateway.solo.io/v1), as ``kubectl apply`` takes them."""
