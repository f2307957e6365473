"""Reading the configuration: files, the environment, and what is wrong with them."""

from __future__ import annotations

import pytest
from oslo_config import cfg

from nova_lite import errors
from nova_lite.api.image.fields import OURS_PREFIX, READ_ONLY, RESERVED
from nova_lite.api.image.schemas.images import SETTABLE
from nova_lite.conf import broker, daemon, database, image
from nova_lite.conf import load as loader


@pytest.fixture
def conf():
    return cfg.ConfigOpts()


@pytest.fixture
def write(tmp_path):
    def write(text, name="nova-lite.conf"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_nothing_has_to_be_set(conf):
    loader.load([], files=[], conf=conf)

    assert {setting.source for setting in loader.settings(conf)} == {"default"}


def test_a_file_sets_options(conf, write):
    path = write("[DEFAULT]\nstate_dir = /srv/cloud\n[api]\nport = 8080\n")

    loader.load(["--config-file", str(path)], conf=conf)

    assert str(daemon.read(conf).state_dir) == "/srv/cloud"
    assert database.read(conf).url == "sqlite:////srv/cloud/nova-lite.db"
    sources = {(setting.group, setting.name): setting.source for setting in loader.settings(conf)}
    assert sources["api", "port"] == str(path)
    assert sources["api", "workers"] == "default"


def test_imports_say_from_where_and_into_what(conf, write):
    loader.load([], files=[write("[image]\nimports = public, 10.1.0.0/16, to-compressed-qcow2\n")], conf=conf)
    some = image.read(conf)
    loader.load([], files=[write("[image]\nimports =\n")], conf=conf)
    none = image.read(conf)

    assert (some.convert_to, some.web.public, [str(one) for one in some.web.networks]) == (
        "compressed-qcow2",
        True,
        ["10.1.0.0/16"],
    )
    assert (none.convert_to, none.web.offered) == (None, False)


@pytest.mark.parametrize("value", ["to-raw, to-qcow2", "to-vmdk", "privat"])
def test_imports_that_mean_nothing_are_refused(conf, write, value):
    loader.load([], files=[write(f"[image]\nimports = {value}\n")], conf=conf)

    with pytest.raises(errors.ConfigError, match=r"\[image\] imports"):
        image.read(conf)


def test_the_store_of_images_is_a_folders_address(conf, write):
    loader.load([], files=[write("[image]\nstore = file:///srv/images\n")], conf=conf)

    assert image.read(conf).store == "file:///srv/images"


def test_the_environment_overrides_the_file(conf, write, monkeypatch):
    path = write("[api]\nport = 8080\n")
    monkeypatch.setenv("OS_API__PORT", "9090")
    monkeypatch.setenv("OS_DEFAULT__DEBUG", "true")

    loader.load([], files=[path], conf=conf)

    found = {(one.group, one.name): (one.value, one.source) for one in loader.settings(conf)}
    assert found["api", "port"] == ("9090", "environment")
    assert found["DEFAULT", "debug"] == ("True", "environment")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[api]\nport = 99999\n", r"\[api\] port: .*65535"),
        ("[api]\nport = eighty\n", r"\[api\] port"),
        ("[api]\nworkers = 0\n", r"\[api\] workers"),
        ("[DEFAULT]\ndebug = perhaps\n", r"\[DEFAULT\] debug"),
        ("[api]\nprot = 80\n", r"\[api\] prot"),
        ("[apy]\nport = 80\n", r"\[apy\] port"),
        ("[DEFAULT]\nstate_dri = /x\n", r"\[DEFAULT\] state_dri"),
        ("[image]\nstore = /srv/images\n", r"\[image\] store"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(conf, write, text, named):
    path = write(text)

    with pytest.raises(errors.ConfigError, match=named):
        loader.load([], files=[path], conf=conf)


@pytest.mark.parametrize("name", ["OS_API__PROT", "OS_DEFAULT__STATE_DRI"])
def test_an_unknown_option_in_the_environment_is_named(conf, monkeypatch, name):
    monkeypatch.setenv(name, "1")

    with pytest.raises(errors.ConfigError, match="environment"):
        loader.load([], files=[], conf=conf)


def test_variables_of_the_clients_are_none_of_ours(conf, monkeypatch):
    monkeypatch.setenv("OS_CLOUD", "nova-lite")
    monkeypatch.setenv("OS_OTHER__THING", "1")

    loader.load([], files=[], conf=conf)


def test_the_libraries_own_sections_are_let_through(conf, write):
    path = write("[oslo_messaging_rabbit]\nheartbeat_rate = 3\n[oslo_policy]\npolicy_file = x\n")

    loader.load([], files=[path], conf=conf)


def test_a_file_that_is_not_there_is_told(conf):
    with pytest.raises(errors.ConfigError, match="nowhere"):
        loader.load(["--config-file", "/nowhere.conf"], conf=conf)


def test_a_file_that_is_no_configuration_is_told(conf, write):
    with pytest.raises(errors.ConfigError):
        loader.load([], files=[write("{json: true}\n[")], conf=conf)


def test_loading_again_forgets_what_was(conf, write):
    loader.load([], files=[write("[api]\nport = 8080\n")], conf=conf)

    loader.load([], files=[], conf=conf)

    assert conf.api.port == 8774


def test_secrets_are_not_shown(conf, monkeypatch):
    monkeypatch.setenv("OS_BROKER__URL", "amqp://u:secret@h/v")

    loader.load([], files=[], conf=conf)

    assert "secret" not in repr(loader.settings(conf)) + repr(broker.read(conf)) + repr(database.read(conf))


def test_the_brokers_url_comes_from_its_file_when_the_option_is_empty(conf, tmp_path, monkeypatch):
    monkeypatch.setenv("OS_DEFAULT__STATE_DIR", str(tmp_path))
    loader.load([], files=[], conf=conf)
    empty = broker.read(conf).url

    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "broker.url").write_text("amqp://u:p@h/v\n")

    assert empty == ""
    assert broker.read(conf).url == "amqp://u:p@h/v"


def test_every_option_says_what_it_is_for(conf):
    assert not [option.dest for _, option in loader.options() if not option.help]


def test_there_are_at_most_56_options():
    assert len(list(loader.options())) <= 56


def test_properties_of_imported_images_are_none_or_those_named(conf, write):
    loader.load([], files=[write("[image]\n")], conf=conf)
    assert image.read(conf).inject == {}
    loader.load([], files=[write("[image]\nimports = public, origin=imported, to-raw, hw_x=a=b,empty=\n")], conf=conf)
    read = image.read(conf)
    assert (read.web.public, read.convert_to) == (True, "raw")
    assert read.inject == {"origin": "imported", "hw_x": "a=b", "empty": ""}


@pytest.mark.parametrize("value", ["status=active", "os_glance_failed_import=x", "a=1, a=2", "=x", "a b=c"])
def test_what_is_no_property_of_an_image_is_refused(conf, write, value):
    loader.load([], files=[write(f"[image]\nimports = {value}\n")], conf=conf)

    with pytest.raises(errors.ConfigError, match="is no property that can be given"):
        image.read(conf)


def test_no_field_of_an_image_is_taken_for_a_property():
    assert (set(SETTABLE) - {"kernel_id", "ramdisk_id"}) | READ_ONLY | RESERVED <= image.FIELDS
    assert not image.FIELDS & {"kernel_id", "ramdisk_id"}
    assert image.OURS == OURS_PREFIX
