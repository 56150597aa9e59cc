"""Resources as people apply them."""

ENABLED = """
spec:
  httpGateway:
    options:
      dynamicForwardProxy: {}
"""

BY_HEADER = """
apiVersion: gateway.solo.io/v1
kind: VirtualService
metadata:
  name: test-static
  namespace: gloo-system
spec:
  virtualHost:
    domains:
      - 'foo'
    routes:
      - matchers:
         - prefix: /
        routeAction:
          dynamicForwardProxy:
            autoHostRewriteHeader: "x-rewrite-me" # host header will be rewritten to the value of this header
"""

TUNNEL_GATEWAY = """
apiVersion: gateway.solo.io/v1
kind: Gateway
metadata:
  name: gateway-proxy
  namespace: gloo-system
spec:
  bindAddress: "::"
  bindPort: 8080
  httpGateway:
    options:
      dynamicForwardProxy:
        dnsCacheConfig:
          dnsLookupFamily: V4_ONLY
          hostTtl: 86400s
      httpConnectionManagerSettings:
        upgrades:
          - connect:
              enabled: true
    virtualServiceSelector:
      app: my-forward-proxy
  ssl: false
  useProxyProto: false
"""

TUNNELS = """
apiVersion: gateway.solo.io/v1
kind: VirtualService
metadata:
  name: forward-proxy-vs
  namespace: gloo-system
  labels:
    app: my-forward-proxy
spec:
  virtualHost:
    domains:
      - '*'
    routes:
      - matchers:
          - connectMatcher: {}   # matches HTTP CONNECT requests
        routeAction:
          dynamicForwardProxy: {}   # host is taken from the CONNECT request authority
        options:
          upgrades:
            - connectTerminate:
                enabled: true   # terminates CONNECT and forwards payload as raw TCP
"""

BREAKERS = """
spec:
  httpGateway:
    options:
      dynamicForwardProxy:
        circuitBreakers:
          maxConnections: 40000
          maxPendingRequests: 40000
          maxRequests: 40000
          maxRetries: 40000
          trackRemaining: true
"""


def together(*documents: str) -> str:
    """One file of several documents."""
    return "---".join(documents)


def service(name: str, domains: str, routes: str, more: str = "") -> str:
    """A VirtualService with these domains and routes, both written in YAML's short form."""
    return (
        "\napiVersion: gateway.solo.io/v1\nkind: VirtualService\n"
        f"metadata: {{name: {name}}}\nspec:\n{more}"
        f"  virtualHost:\n    domains: {domains}\n    routes: {routes}\n"
    )
