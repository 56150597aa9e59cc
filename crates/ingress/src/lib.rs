//! The proxy side of Reverse HTTP: workers, routes, selectors, the public handler.
