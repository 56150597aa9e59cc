"""Keys of resources that others read and this proxy does not."""

UNSUPPORTED = {
    "accessLoggingService": "the access log is always written; a TOML file that names this one says where",
    "appleDns": "this is not a Mac's resolver; use caresDns, or the system's resolvers by leaving it away",
    "delegateAction": "routes are written out here; copy those of the RouteTable",
    "delegateOptions": "options are written out here; copy those of the RouteOption",
    "extauth": "callers are listed in a TOML file that names this one in `resources`",
    "optionsConfigRefs": "options are written out here; copy those that are referred to",
    "queryParameters": "routes do not look at the query",
    "ratelimit": "rates are part of rules, in a TOML file that names this one in `resources`",
    "ratelimitBasic": "rates are part of rules, in a TOML file that names this one in `resources`",
    "redirectAction": "this proxy forwards or denies; it does not redirect",
    "sds": "certificates are read from files: sslFiles",
    "secretRef": "secrets of a cluster are not at hand; write sslFiles with tlsCert and tlsKey",
    "tcpGateway": "this proxy speaks HTTP; CONNECT carries TCP",
    "virtualServiceExpressions": "VirtualServices are chosen by virtualServiceSelector or by name",
}
"""Keys that are known elsewhere and not here, and what to do instead."""
