"""Types of identifiers, so that a server's id is never handed where a host's name is wanted."""

from __future__ import annotations

from typing import NewType

ServerId = NewType("ServerId", str)  # UUID with dashes
HostName = NewType("HostName", str)  # what the operator named the host; also its RPC address
ImageId = NewType("ImageId", str)  # UUID with dashes
FlavorId = NewType("FlavorId", str)  # the flavor's public id, free text
NetworkId = NewType("NetworkId", str)  # UUID with dashes
SubnetId = NewType("SubnetId", str)  # UUID with dashes
PortId = NewType("PortId", str)  # UUID with dashes
ProjectId = NewType("ProjectId", str)  # 32 hexadecimal digits
UserId = NewType("UserId", str)  # 32 hexadecimal digits
OperationId = NewType("OperationId", str)  # UUID with dashes
