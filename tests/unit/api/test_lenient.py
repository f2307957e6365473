"""What nobody reads is dropped from bodies of the older API; all else is left for the schema to judge."""

from __future__ import annotations

import copy

import pytest

from nova_lite.api.lenient import without_unknown
from nova_lite.api.validate import body

SCHEMA = body(
    {
        "server": body(
            {
                "name": {"type": "string"},
                "networks": {"oneOf": [{"type": "array", "items": body({"uuid": {"type": "string"}})}, {"enum": ["auto"]}]},
                "metadata": {"type": "object", "patternProperties": {"^[a-z]+$": {}}, "additionalProperties": False},
                "hints": body({"group": {"type": "string"}}, extra=True),
                "zone": {"anyOf": [body({"host": {}}), body({"node": {}})]},
            }
        )
    }
)


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ({"server": {"name": "a", "colour": "red"}, "more": 1}, {"server": {"name": "a"}}),
        ({"server": {"networks": [{"uuid": "u", "speed": 1}, {}]}}, {"server": {"networks": [{"uuid": "u"}, {}]}}),
        ({"server": {"networks": "auto"}}, {"server": {"networks": "auto"}}),
        ({"server": {"networks": ["text", 1, None]}}, {"server": {"networks": ["text", 1, None]}}),
        ({"server": {"metadata": {"key": "v", "KEY": "v"}}}, {"server": {"metadata": {"key": "v", "KEY": "v"}}}),
        ({"server": {"hints": {"group": "g", "own": {"a": 1}}}}, {"server": {"hints": {"group": "g", "own": {"a": 1}}}}),
        ({"server": {"zone": {"host": 1, "node": 2, "rack": 3}}}, {"server": {"zone": {"host": 1, "node": 2}}}),
        ({"server": {"name": {"colour": "red"}}}, {"server": {"name": {"colour": "red"}}}),
        ({"server": "text"}, {"server": "text"}),
        ([], []),
        (None, None),
    ],
)
def test_only_fields_that_no_schema_names_are_dropped(sent, left):
    kept = copy.deepcopy(sent)

    assert without_unknown(sent, (SCHEMA,)) == left
    assert sent == kept, "the body that was sent is another's to change"
