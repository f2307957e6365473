"""Which minor versions of the Image API are kept in full.

History: 2.1 members; 2.3 deactivate and reactivate; 2.4 schemas with read-only marks; 2.5 visibilities shared and community;
2.7 hidden images and secure hashes; 2.8 stores. Left out, since they are not kept: 2.2 metadata definitions, 2.6 import.
"""

from __future__ import annotations

MINORS = ("2.0", "2.1", "2.3", "2.4", "2.5", "2.7", "2.8")
