"""Which minor versions of the Image API are kept in full.

History: 2.1 members; 2.2 metadata definitions; 2.3 deactivate and reactivate; 2.4 schemas with read-only marks; 2.5
visibilities shared and community; 2.6 import; 2.7 hidden images and secure hashes; 2.8 stores; 2.9 copies of secure hashes;
2.10 deletion from a store; 2.11 copies to other stores; 2.12 tasks of an image; 2.13 usage and quotas; 2.15 details of
stores; 2.17 locations. Left out, as by Glance without a cache: 2.14, 2.16 and 2.18, the cache of an API node.
"""

from __future__ import annotations

MINORS = ("2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11", "2.12", "2.13", "2.15", "2.17")
