"""The REST API: shapes of requests and answers, and who may send them."""
