//! HTTP on ports: listeners, limits, who calls, what a proxy must strip.
