"""Rules on the catalog."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, ANYONE, rule

RULES = (
    rule("list_regions", ANYONE, "GET", "/regions", "List regions."),
    rule("get_region", ANYONE, "GET", "/regions/{region_id}", "Show one of the regions."),
    rule("create_region", ADMIN, "POST", "/regions", "Add to the regions."),
    rule("update_region", ADMIN, "PATCH", "/regions/{region_id}", "Change one of the regions."),
    rule("delete_region", ADMIN, "DELETE", "/regions/{region_id}", "Remove one of the regions."),
    rule("list_services", ADMIN, "GET", "/services", "List services."),
    rule("get_service", ADMIN, "GET", "/services/{service_id}", "Show one of the services."),
    rule("create_service", ADMIN, "POST", "/services", "Add to the services."),
    rule("update_service", ADMIN, "PATCH", "/services/{service_id}", "Change one of the services."),
    rule("delete_service", ADMIN, "DELETE", "/services/{service_id}", "Remove one of the services."),
    rule("list_endpoints", ADMIN, "GET", "/endpoints", "List endpoints."),
    rule("get_endpoint", ADMIN, "GET", "/endpoints/{endpoint_id}", "Show one of the endpoints."),
    rule("create_endpoint", ADMIN, "POST", "/endpoints", "Add to the endpoints."),
    rule("update_endpoint", ADMIN, "PATCH", "/endpoints/{endpoint_id}", "Change one of the endpoints."),
    rule("delete_endpoint", ADMIN, "DELETE", "/endpoints/{endpoint_id}", "Remove one of the endpoints."),
)
