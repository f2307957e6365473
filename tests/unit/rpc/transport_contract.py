"""What every transport keeps. A subclass gives the fixture `cloud`; both transports run the same tests."""

from __future__ import annotations

import threading
import time

import pytest

from nova_lite import errors, metrics
from nova_lite.rpc.port import ENVELOPE, Address, Envelope
from nova_lite.rpc.signing import ControlSigning, Ed25519PrivateKey, HostSigning, public_text

CONTROL_KEY = Ed25519PrivateKey.generate()
MAC_KEYS = {"h1": "11" * 32, "h2": "22" * 32}
CONDUCTOR = Address("conductor")
H1 = Address("compute.h1", "h1")
SOON_S = 10.0


def control_signing(key=CONTROL_KEY):
    return ControlSigning(key, MAC_KEYS.get)


def host_signing(name="h1", mac_key=None):
    return HostSigning(name, mac_key or MAC_KEYS[name], public_text(CONTROL_KEY))


class Mailbox:
    """A handler that keeps what it gets."""

    def __init__(self):
        self.bodies = []
        self.envelopes = []
        self._changed = threading.Condition()

    def __call__(self, body):
        with self._changed:
            self.bodies.append(dict(body))
            self.envelopes.append(ENVELOPE.get())
            self._changed.notify_all()

    def wait_for(self, count, timeout_s=SOON_S):
        with self._changed:
            self._changed.wait_for(lambda: len(self.bodies) >= count, timeout_s)
        return self.bodies


def refused(reason):
    return metrics.MESSAGES_REFUSED.labels(reason)._value.get()


def wait_until(condition, timeout_s=SOON_S):
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


class TransportContract:
    """`cloud.control(signing=None)` and `cloud.host(name, signing)` make transports that the fixture closes."""

    def test_a_cast_reaches_the_handler(self, cloud):
        inbox = Mailbox()
        cloud.control().serve(Address("conductor", "c1"), {"ring": inbox})

        cloud.control().cast(CONDUCTOR, "ring", {"operation_id": "op", "count": 3, "list": [1, None, "ü"]})

        assert inbox.wait_for(1) == [{"operation_id": "op", "count": 3, "list": [1, None, "ü"]}]

    def test_the_handler_sees_the_envelope(self, cloud):
        inbox = Mailbox()
        cloud.control().serve(Address("conductor", "c1"), {"ring": inbox})
        envelope = Envelope(request_id="req-1", operation_id="op-1", time_left_s=2.5)

        cloud.control().cast(CONDUCTOR, "ring", {}, envelope)

        inbox.wait_for(1)
        assert inbox.envelopes == [envelope]

    def test_a_cast_to_a_topic_reaches_one_of_its_servers(self, cloud):
        inbox = Mailbox()
        cloud.control().serve(Address("conductor", "c1"), {"ring": inbox})
        cloud.control().serve(Address("conductor", "c2"), {"ring": inbox})
        sender = cloud.control()

        for number in range(20):
            sender.cast(CONDUCTOR, "ring", {"number": number})

        inbox.wait_for(20)
        time.sleep(0.2)
        assert sorted(body["number"] for body in inbox.bodies) == list(range(20))

    def test_a_cast_to_a_server_reaches_that_server_only(self, cloud):
        first, second = Mailbox(), Mailbox()
        cloud.control().serve(Address("conductor", "c1"), {"ring": first})
        cloud.control().serve(Address("conductor", "c2"), {"ring": second})

        cloud.control().cast(Address("conductor", "c2"), "ring", {"to": "c2"})

        assert second.wait_for(1) == [{"to": "c2"}]
        assert first.bodies == []

    def test_a_call_gives_the_answer(self, cloud):
        cloud.control().serve(Address("scheduler", "s1"), {"rank": lambda body: {"asked": body["vcpus"]}})

        answer = cloud.control().call(Address("scheduler"), "rank", {"vcpus": 2}, timeout_s=SOON_S)

        assert answer == {"asked": 2}

    def test_a_call_raises_the_handlers_error_by_its_code(self, cloud):
        def refuse(body):
            raise errors.NotFound("There is no such guest.")

        cloud.control().serve(Address("scheduler", "s1"), {"rank": refuse})

        with pytest.raises(errors.NotFound, match="no such guest"):
            cloud.control().call(Address("scheduler"), "rank", {}, timeout_s=SOON_S)

    def test_a_call_to_a_broken_handler_tells_no_details(self, cloud):
        def breaks(body):
            raise RuntimeError("password=secret")

        cloud.control().serve(Address("scheduler", "s1"), {"rank": breaks})

        with pytest.raises(errors.NovaLiteError) as caught:
            cloud.control().call(Address("scheduler"), "rank", {}, timeout_s=SOON_S)

        assert type(caught.value) is errors.NovaLiteError
        assert "secret" not in caught.value.message

    def test_a_call_that_nobody_answers_ends_in_time(self, cloud):
        caller = cloud.control()
        began = time.monotonic()

        with pytest.raises(errors.Unavailable):
            caller.call(Address("scheduler"), "rank", {}, timeout_s=1.0)

        assert time.monotonic() - began < 4.0

    def test_calls_side_by_side_get_their_own_answers(self, cloud):
        cloud.control().serve(Address("scheduler", "s1"), {"rank": lambda body: body["number"]})
        caller, answers = cloud.control(), {}

        def ask(number):
            answers[number] = caller.call(Address("scheduler"), "rank", {"number": number}, timeout_s=SOON_S)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON_S)

        assert answers == {number: number for number in range(8)}

    def test_a_message_over_a_mebibyte_is_not_sent(self, cloud):
        inbox = Mailbox()
        cloud.control().serve(Address("conductor", "c1"), {"ring": inbox})
        sender = cloud.control()

        with pytest.raises(errors.TooLarge):
            sender.cast(CONDUCTOR, "ring", {"text": "x" * 1024 * 1024})

        sender.cast(CONDUCTOR, "ring", {"small": True})
        assert inbox.wait_for(1) == [{"small": True}]

    def test_an_answer_over_a_mebibyte_is_told_to_the_caller(self, cloud):
        cloud.control().serve(Address("scheduler", "s1"), {"rank": lambda body: "x" * 1024 * 1024})

        with pytest.raises(errors.TooLarge):
            cloud.control().call(Address("scheduler"), "rank", {}, timeout_s=SOON_S)

    def test_an_unknown_method_is_dropped_and_the_next_message_comes(self, cloud):
        inbox = Mailbox()
        cloud.control().serve(Address("conductor", "c1"), {"ring": inbox})
        sender = cloud.control()

        sender.cast(CONDUCTOR, "rank", {})
        sender.cast(CONDUCTOR, "ring", {"next": True})

        assert inbox.wait_for(1) == [{"next": True}]

    def test_a_broken_handler_does_not_end_the_listener(self, cloud):
        inbox = Mailbox()

        def sometimes(body):
            if body.get("break"):
                raise RuntimeError("broken")
            inbox(body)

        cloud.control().serve(Address("conductor", "c1"), {"ring": sometimes})
        sender = cloud.control()

        sender.cast(CONDUCTOR, "ring", {"break": True})
        sender.cast(CONDUCTOR, "ring", {"break": False})

        assert inbox.wait_for(1) == [{"break": False}]

    def test_the_same_message_sent_twice_is_handled_twice(self, cloud):
        inbox = Mailbox()
        cloud.control().serve(Address("conductor", "c1"), {"ring": inbox})
        sender = cloud.control()

        for _ in range(2):
            sender.cast(CONDUCTOR, "ring", {"operation_id": "op"})

        assert inbox.wait_for(2) == [{"operation_id": "op"}] * 2

    def test_messages_wait_for_a_listener_that_comes_back(self, cloud):
        inbox = Mailbox()
        cloud.control().serve(Address("conductor", "c1"), {"ring": inbox}).stop()

        cloud.control().cast(CONDUCTOR, "ring", {"kept": True})
        cloud.control().serve(Address("conductor", "c1"), {"ring": inbox})

        assert inbox.wait_for(1) == [{"kept": True}]

    def test_a_stopped_listener_lets_the_handler_in_hand_finish(self, cloud):
        begun, ended = threading.Event(), threading.Event()

        def slow(body):
            begun.set()
            time.sleep(0.5)
            ended.set()

        listener = cloud.control().serve(Address("conductor", "c1"), {"ring": slow})
        cloud.control().cast(CONDUCTOR, "ring", {})
        assert begun.wait(SOON_S)

        listener.stop()

        assert ended.is_set()

    def test_stop_may_be_repeated(self, cloud):
        listener = cloud.control().serve(Address("conductor", "c1"), {})

        listener.stop()
        listener.stop()

    def test_a_restarted_listener_hears_again(self, cloud):
        inbox = Mailbox()
        listener = cloud.control().serve(Address("conductor", "c1"), {"ring": inbox})

        listener.restart()
        assert listener.wait_ready(SOON_S)
        cloud.control().cast(CONDUCTOR, "ring", {"after": "restart"})

        assert inbox.wait_for(1) == [{"after": "restart"}]

    def test_a_restarted_listener_takes_everything_while_handlers_of_before_still_run(self, cloud):
        """What is being closed must neither keep messages for itself until its handlers end, nor lose them then."""
        inbox, begun, may_end = Mailbox(), threading.Event(), threading.Event()

        def ring(body):
            if body.get("long"):
                begun.set()
                may_end.wait(60)
            inbox(body)

        listener = cloud.control().serve(Address("conductor", "c1"), {"ring": ring})
        sender = cloud.control()
        sender.cast(CONDUCTOR, "ring", {"long": True})
        assert begun.wait(SOON_S)

        listener.restart()
        assert listener.wait_ready(SOON_S)
        for number in range(40):
            sender.cast(CONDUCTOR, "ring", {"number": number})
            time.sleep(0.03)

        try:
            assert sorted(body["number"] for body in inbox.wait_for(40)) == list(range(40))
        finally:
            may_end.set()
        assert inbox.wait_for(41)[-1] == {"long": True}

    def test_no_more_handlers_run_at_once_than_threads(self, cloud):
        running, most, lock, done = [0], [0], threading.Lock(), Mailbox()

        def slow(body):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            time.sleep(0.1)
            with lock:
                running[0] -= 1
            done(body)

        cloud.control().serve(Address("conductor", "c1"), {"ring": slow}, threads=2)
        sender = cloud.control()

        for number in range(6):
            sender.cast(CONDUCTOR, "ring", {"number": number})

        assert len(done.wait_for(6)) == 6
        assert most[0] == 2


class SignedContract:
    """Who may say what, on every transport."""

    def test_a_signed_command_reaches_the_host(self, cloud):
        inbox = Mailbox()
        cloud.host("h1", host_signing()).serve(H1, {"remove_guest": inbox})

        cloud.control(control_signing()).cast(H1, "remove_guest", {"server_id": "s"})

        assert inbox.wait_for(1) == [{"server_id": "s"}]

    @pytest.mark.parametrize(
        ("signing", "reason"),
        [
            pytest.param(None, "unsigned", id="unsigned"),
            pytest.param(control_signing(Ed25519PrivateKey.generate()), "forged", id="another control side's key"),
            pytest.param(host_signing("h2"), "forged", id="signed by a host"),
            pytest.param(host_signing("h1", "33" * 32), "forged", id="a host of this name with another key"),
        ],
    )
    def test_a_command_that_the_control_side_did_not_sign_is_refused(self, cloud, signing, reason):
        inbox = Mailbox()
        cloud.host("h1", host_signing()).serve(H1, {"remove_guest": inbox, "self_test": inbox})
        before = refused(reason)

        cloud.control(signing).cast(H1, "remove_guest", {"server_id": "s"})

        assert wait_until(lambda: refused(reason) == before + 1)
        assert inbox.bodies == []

    def test_a_hosts_report_reaches_the_conductor(self, cloud):
        inbox = Mailbox()
        cloud.control(control_signing()).serve(Address("conductor", "c1"), {"report": inbox})

        cloud.host("h1", host_signing()).cast(CONDUCTOR, "report", {"host": "h1", "id": "r1"})

        assert inbox.wait_for(1) == [{"host": "h1", "id": "r1"}]

    @pytest.mark.parametrize(
        ("body", "signing", "reason"),
        [
            pytest.param({"host": "h2"}, host_signing("h1"), "forged", id="speaks for another host"),
            pytest.param({}, host_signing("h1"), "forged", id="names no host"),
            pytest.param({"host": "h1"}, host_signing("h1", "33" * 32), "forged", id="wrong key"),
            pytest.param({"host": "h3"}, host_signing("h3", "33" * 32), "forged", id="a host that nobody added"),
            pytest.param({"host": "h1"}, None, "unsigned", id="unsigned"),
        ],
    )
    def test_a_report_that_the_host_did_not_sign_is_refused(self, cloud, body, signing, reason):
        inbox = Mailbox()
        cloud.control(control_signing()).serve(Address("conductor", "c1"), {"report": inbox})
        before = refused(reason)

        cloud.control(signing).cast(CONDUCTOR, "report", body)

        assert wait_until(lambda: refused(reason) == before + 1)
        assert inbox.bodies == []

    def test_doorbells_need_no_signature(self, cloud):
        inbox = Mailbox()
        cloud.control(control_signing()).serve(Address("conductor", "c1"), {"ring": inbox})

        cloud.control().cast(CONDUCTOR, "ring", {"operation_id": "op"})

        assert inbox.wait_for(1) == [{"operation_id": "op"}]

    def test_a_host_answers_a_call(self, cloud):
        cloud.host("h1", host_signing()).serve(H1, {"get_console_output": lambda body: {"output": "login:"}})

        answer = cloud.control(control_signing()).call(H1, "get_console_output", {"server_id": "s"}, timeout_s=SOON_S)

        assert answer == {"output": "login:"}

    def test_a_host_hears_its_own_self_test(self, cloud):
        inbox = Mailbox()
        host = cloud.host("h1", host_signing())
        host.serve(H1, {"self_test": inbox})

        host.cast(H1, "self_test", {"number": 1})

        assert inbox.wait_for(1) == [{"number": 1}]
