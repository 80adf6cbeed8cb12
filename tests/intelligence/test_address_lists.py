import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idprotect import clock
from idprotect.intelligence import State, address_lists, files
from idprotect.intelligence.address_lists import AddressList


@pytest.fixture
def write(tmp_path):
    """Write a list and return its path; `at` sets its date, in seconds from now."""

    def write(*lines, at=0.0, name="list.txt"):
        path = tmp_path / name
        new = tmp_path / f"{name}.new"
        new.write_bytes("\n".join(lines).encode())
        moment = datetime.now(UTC).timestamp() + at
        os.utime(new, (moment, moment))
        os.replace(new, path)
        return path

    return write


def make_list(path, **kwargs):
    return AddressList(path, "anonymous", **{"recheck_seconds": 0, **kwargs})


def test_listed_address_is_found_and_its_neighbours_are_not(write):
    addresses = make_list(write("203.0.113.7", "2001:db8::7"))
    for ip, listed in {
        "203.0.113.6": False, "203.0.113.7": True, "203.0.113.8": False,
        "2001:db8::6": False, "2001:db8::7": True, "2001:db8::8": False,
    }.items():  # fmt: skip
        assert addresses.contains(ip) is listed, ip


def test_network_reaches_from_its_first_to_its_last_address(write):
    addresses = make_list(write("198.51.100.64/26", "2001:db8:5::/48"))
    for ip, listed in {
        "198.51.100.63": False, "198.51.100.64": True, "198.51.100.127": True, "198.51.100.128": False,
        "2001:db8:4:ffff:ffff:ffff:ffff:ffff": False, "2001:db8:5::": True,
        "2001:db8:5:ffff:ffff:ffff:ffff:ffff": True, "2001:db8:6::": False,
    }.items():  # fmt: skip
        assert addresses.contains(ip) is listed, ip


def test_same_number_in_the_other_family_is_not_listed(write):
    addresses = make_list(write("240.0.0.1"))
    assert addresses.contains("::f000:1") is False


@pytest.mark.parametrize("line", ["203.0.113.7", "::ffff:203.0.113.7", "::ffff:203.0.113.0/120"])
@pytest.mark.parametrize("ip", ["203.0.113.7", "::ffff:203.0.113.7", "::FFFF:cb00:7107"])
def test_ipv4_address_in_ipv6_clothes_is_the_same_address(write, line, ip):
    assert make_list(write(line)).contains(ip) is True


def test_comments_empty_lines_and_byte_order_mark_are_no_entries(write):
    addresses = make_list(
        write("\ufeff# Tor exits", "", "  203.0.113.7  # exit", "198.51.100.0/24 ; SBL1\r", "#192.0.2.1")
    )
    assert addresses.health().entries == 2
    assert addresses.health().problems == ()
    assert addresses.contains("203.0.113.7")
    assert addresses.contains("198.51.100.9")
    assert addresses.contains("192.0.2.1") is False


def test_end_of_an_endless_comment_is_not_an_entry(write):
    addresses = make_list(write("203.0.113.7", "#" + " " * 1023 + "198.51.100.1", "198.51.100.1/33"))
    assert addresses.contains("198.51.100.1") is False
    assert addresses.health().problems == (
        "line 3: '198.51.100.1/33' is not an address, network or AS number",
    )


def test_unreadable_line_is_reported_with_its_number_and_the_others_count(write):
    health = make_list(write("203.0.113.7", "# x", "203.0.113.300", "198.51.100.1")).health()
    assert health.state is State.OK
    assert health.entries == 2
    assert health.problems == ("line 3: '203.0.113.300' is not an address, network or AS number",)


@pytest.mark.parametrize(
    "line",
    [
        "10.1.2.3",
        "127.0.0.1",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.169.254",
        "172.31.255.255",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::/7",
        "fd12::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
    ],
)
def test_list_never_matches_the_reverse_proxy(write, line):
    addresses = make_list(write("203.0.113.7", line))
    assert addresses.contains(line.partition("/")[0]) is False
    assert addresses.health().problems == (f"line 2: {line} is not public; it is left out",)
    assert addresses.health().entries == 1


def test_private_part_is_cut_out_of_a_larger_network(write):
    addresses = make_list(write("8.0.0.0/6", "::/0"))
    for ip, listed in {
        "8.8.8.8": True, "9.255.255.255": True, "10.0.0.0": False, "10.255.255.255": False, "11.0.0.0": True,
        "12.0.0.0": False, "2001:db8::1": True, "::1": False, "fe80::1": False, "fe00::1": True,
    }.items():  # fmt: skip
        assert addresses.contains(ip) is listed, ip
    assert addresses.health().problems == (
        "line 1: 8.0.0.0/6 is partly not public; that part is left out",
        "line 2: ::/0 is partly not public; that part is left out",
    )


@pytest.mark.parametrize(
    "network",
    ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "2001:db8::/32", "3fff::/20"],
)
def test_networks_of_the_demonstration_are_kept(write, network):
    addresses = make_list(write(network))
    assert addresses.contains(str(ip_network(network)[1])) is True
    assert addresses.health().problems == ()


def test_missing_list_knows_nothing(tmp_path):
    addresses = make_list(tmp_path / "none.txt")
    assert addresses.contains("203.0.113.7") is None
    assert addresses.health().state == "missing"
    assert addresses.health().entries == 0


@pytest.mark.parametrize("ip", ["", "nonsense", "203.0.113", "203.0.113.7:80", "203.0.113.007", "1" * 9999])
def test_what_is_no_address_is_unknown(write, ip):
    assert make_list(write("203.0.113.7")).contains(ip) is None


def test_list_that_appears_is_read(write, tmp_path):
    addresses = make_list(tmp_path / "list.txt")
    write("203.0.113.7")
    assert addresses.contains("203.0.113.7") is True
    assert addresses.health().state == "ok"


def test_changed_list_is_read_again(write):
    addresses = make_list(write("203.0.113.7"))
    write("198.51.100.1")
    assert addresses.contains("203.0.113.7") is False
    assert addresses.contains("198.51.100.1") is True


def test_list_with_a_new_date_or_size_or_in_another_file_is_read_again(tmp_path):
    path, other = tmp_path / "list.txt", tmp_path / "other.txt"
    path.write_text("203.0.113.1")
    os.utime(path, (1_000, 1_000))
    addresses = make_list(path)
    path.write_text("203.0.113.2")  # another date, the same size
    os.utime(path, (2_000, 2_000))
    assert addresses.contains("203.0.113.2") is True
    path.write_text("203.0.113.33")  # another size, the same date
    os.utime(path, (2_000, 2_000))
    assert addresses.contains("203.0.113.33") is True
    other.write_text("203.0.113.44")  # another file with the same date and size
    os.utime(other, (2_000, 2_000))
    os.replace(other, path)
    assert addresses.contains("203.0.113.44") is True


def test_unchanged_list_is_not_read_again(write, monkeypatch):
    addresses = make_list(write("203.0.113.7"))
    monkeypatch.setattr(AddressList, "_read", lambda *args: pytest.fail("read again"))
    assert addresses.contains("203.0.113.7") is True


def test_file_is_looked_at_once_a_second_at_most(write, monkeypatch):
    seconds = [100.0]
    monkeypatch.setattr(files.time, "monotonic", lambda: seconds[0])
    addresses = AddressList(write("203.0.113.7"), "anonymous")
    write("198.51.100.1")
    seconds[0] += 0.9
    assert addresses.contains("198.51.100.1") is False
    seconds[0] += 0.2
    assert addresses.contains("198.51.100.1") is True


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        (["<html>", "<title>502</title>", "</html>"], "broken"),
        ([""], "empty"),
        (["# nothing today"], "empty"),
        (["10.0.0.1"], "empty"),
    ],
)
def test_bad_new_version_is_reported_and_the_old_one_goes_on(write, lines, state):
    addresses = make_list(write("203.0.113.7", at=-3600))
    write(*lines)
    assert addresses.contains("203.0.113.7") is True
    health = addresses.health()
    assert health.state == state
    assert health.entries == 1
    assert 3590 < health.age_seconds < 3700
    assert health.problems[-1] == f"the version of {health.modified_at:%Y-%m-%d %H:%M} UTC stays in use"


def test_vanished_file_is_reported_and_the_old_version_goes_on(write):
    path = write("203.0.113.7")
    addresses = make_list(path)
    path.unlink()
    assert addresses.contains("203.0.113.7") is True
    assert addresses.health().state == "missing"
    write("203.0.113.7")
    assert addresses.health().state == "ok"


@pytest.mark.parametrize(("lines", "state"), [(["rubbish"], "broken"), ([], "empty")])
def test_list_that_was_never_good_knows_nothing(write, lines, state):
    addresses = make_list(write(*lines))
    assert addresses.contains("203.0.113.7") is None
    assert addresses.health().state == state


def test_broken_file_is_judged_once_and_read_again_when_mended(write, monkeypatch):
    path = write("rubbish")
    addresses = make_list(path)
    with monkeypatch.context() as patch:
        patch.setattr(AddressList, "_read", lambda *args: pytest.fail("read again"))
        assert addresses.health().state == "broken"
    write("203.0.113.7")
    assert addresses.contains("203.0.113.7") is True


def test_pipe_and_folder_are_broken_and_block_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        addresses = make_list(path)
        assert addresses.contains("203.0.113.7") is None
        assert addresses.health().state == "broken"


def test_file_of_rubbish_is_reported_in_few_words(write):
    problems = (
        make_list(write("203.0.113.1", *["x" * 5000] * 100, *["198.51.100.0/24"] * 100)).health().problems
    )
    assert len(problems) == address_lists.REPORTED_PROBLEMS + 1
    assert problems[-1] == "… and 50 more"
    assert max(map(len, problems)) < 100


def test_file_too_large_is_not_read(write, monkeypatch):
    monkeypatch.setattr(AddressList, "largest", 20)
    assert make_list(write("203.0.113.7", "198.51.100.1")).health().state == "broken"


def test_list_that_shrank_by_half_is_used_and_reported(write):
    addresses = make_list(write(*[f"203.0.113.{n}" for n in range(10)]))
    write(*[f"203.0.113.{n}" for n in range(4)])
    assert addresses.contains("203.0.113.9") is False
    assert addresses.health().problems == ("the data shrank from 10 to 4 entries",)


def test_stale_list_is_not_evaluated(write):
    path = write("203.0.113.7", at=-3600)
    addresses = make_list(path, max_age=timedelta(minutes=59))
    assert addresses.contains("203.0.113.7") is None
    assert addresses.health().state == "stale"
    assert addresses.health().entries == 1
    assert make_list(path, max_age=timedelta(minutes=61)).contains("203.0.113.7") is True
    assert make_list(path).contains("203.0.113.7") is True


def test_list_that_is_no_longer_renewed_grows_stale_and_is_logged_once(write, monkeypatch, caplog):
    addresses = make_list(write("203.0.113.7"), max_age=timedelta(days=7))
    assert addresses.contains("203.0.113.7") is True
    assert caplog.messages == []
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(days=8))
    assert addresses.contains("203.0.113.7") is None
    assert addresses.contains("203.0.113.7") is None
    (message,) = caplog.messages
    assert message.startswith("anonymous: nothing is concluded any more from data of ")


def test_health_tells_source_and_age(write):
    path = write("203.0.113.7", at=-3600)
    health = make_list(path).health()
    assert (health.name, health.path, health.state) == ("anonymous", path, State.OK)
    assert 3590 < health.age_seconds < 3700
    assert health.loaded_at - health.modified_at > timedelta(seconds=3590)
    assert health.modified_at.tzinfo is UTC


def test_while_one_thread_reads_the_others_are_answered_from_the_old_version(write, monkeypatch):
    addresses = make_list(write("203.0.113.7"))
    write("198.51.100.1")
    answers = []
    read = AddressList._read

    def slow_read(*args):
        other = Thread(target=lambda: answers.append(addresses.contains("203.0.113.7")))
        other.start()
        other.join(timeout=5)
        return read(*args)

    monkeypatch.setattr(AddressList, "_read", slow_read)
    assert addresses.contains("198.51.100.1") is True
    assert answers == [True]


numbers = st.integers(min_value=int(ip_address("203.0.113.0")), max_value=int(ip_address("203.0.113.255")))


@given(st.lists(st.tuples(numbers, st.integers(25, 32)), min_size=1, max_size=20))
@settings(deadline=None)
def test_sorted_ranges_answer_like_the_networks_themselves(tmp_path_factory, entries):
    networks = [ip_network((number, length), strict=False) for number, length in entries]
    path = tmp_path_factory.mktemp("ranges") / "list.txt"
    path.write_text("\n".join(map(str, networks)))
    addresses = make_list(path, recheck_seconds=60)
    for address in ip_network("203.0.112.0/23"):
        assert addresses.contains(str(address)) is any(address in network for network in networks)


def test_list_of_systems_answers_for_their_addresses(write):
    addresses = make_list(
        write("64500,Example Mobile, Ltd.", "AS64501", "as64502 # theirs", "64503", "198.51.100.0/24")
    )
    assert addresses.health().entries == 5
    assert addresses.health().problems == ()
    for asn in (64500, 64501, 64502, 64503):
        assert addresses.contains("203.0.113.7", asn) is True
    assert addresses.contains("203.0.113.7", 64504) is False


def test_list_of_systems_cannot_tell_when_the_system_is_unknown(write):
    addresses = make_list(write("64500", "198.51.100.0/24"))
    assert addresses.contains("203.0.113.7") is None
    assert addresses.contains("198.51.100.1") is True


@pytest.mark.parametrize("line", ["0", "4294967296", "99999999999", "-1", "AS", "64500 64501", "٦٤٥٠٠"])
def test_what_is_no_system_is_reported(write, line):
    health = make_list(write("64500", line)).health()
    assert health.problems == (f"line 2: {line!r} is not an address, network or AS number",)


def test_list_from_the_future_is_reported(write):
    (problem,) = make_list(write("203.0.113.7", at=86400 * 3)).health().problems
    assert problem.endswith("in the future")
