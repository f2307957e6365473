"""A cluster of RabbitMQ nodes on this machine, used as one: any node may be killed and started again."""

from __future__ import annotations

import secrets

from real.rabbit import Rabbit

from nova_lite.conf.broker import BrokerOptions
from nova_lite.rpc import broker


class RabbitCluster:
    """Nodes with ports, data and logs of their own, and one name server. It does what `Rabbit` does that clouds use."""

    def __init__(self, size: int) -> None:
        """Nothing runs yet."""
        self.nodes: list[Rabbit] = []
        self._size = size

    def start(self) -> None:
        """Boot the first node, and have the others join it."""
        self.nodes.append(Rabbit())
        self.nodes[0].start()
        while len(self.nodes) < self._size:
            self.nodes.append(Rabbit(first=self.nodes[0]))
            self.nodes[-1].start()

    @property
    def ctl(self) -> broker.Ctl:
        """Speak with a node that runs."""
        return next(node for node in self.nodes if node.runs()).ctl

    def run_ctl(self, *arguments: str) -> str:
        """Ask a node that runs."""
        return next(node for node in self.nodes if node.runs()).run_ctl(*arguments)

    def lengths(self, vhost: str) -> dict[str, int]:
        """Ask a node that runs how many messages each queue has."""
        return next(node for node in self.nodes if node.runs()).lengths(vhost)

    def running(self) -> int:
        """Count the nodes that the cluster itself takes for running."""
        lines = self.run_ctl("eval", "length(rabbit_nodes:all_running()).")
        return int(lines.strip())

    def options(self, vhost: str = "nova-lite") -> BrokerOptions:
        """Give the options of a control side that knows all nodes, with a virtual host and user of its own, set up."""
        user = f"{vhost}:{secrets.token_hex(8)}"
        places = ",".join(f"{user}@127.0.0.1:{node.port}" for node in self.nodes)
        options = BrokerOptions(url=f"amqp://{places}/{vhost}", url_file=self.nodes[0].home / f"{vhost}.url")
        broker.setup(options, self.ctl)
        return options

    def host_url(self, options: BrokerOptions, name: str) -> str:
        """Make a host's user and give its URL."""
        return broker.add_host_user(options, name, ctl=self.ctl)

    def remove(self) -> None:
        """Take all nodes away, the first one last: it holds the name server."""
        for node in reversed(self.nodes):
            node.remove()
