import hashlib
import os
import random
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idprotect.intelligence import breached_passwords, sorted_hashes
from idprotect.intelligence.breached_passwords import BreachedPasswords, build, common_passwords


def sha1(password):
    return hashlib.sha1(password.encode()).hexdigest().upper()


@pytest.fixture
def folder(tmp_path):
    """Lay a folder of ranges that holds the counts, and return its path."""

    def folder(counts, name="{}.txt", line="{}:{}\r\n"):
        path = tmp_path / "ranges"
        path.mkdir(exist_ok=True)
        for password, count in counts.items():
            with (path / name.format(sha1(password)[:5])).open("a") as file:
                file.write(line.format("0" * 35, 7) + line.format(sha1(password)[5:], count))
        return path

    return folder


@pytest.fixture
def sorted_file(tmp_path):
    """Write a sorted file that holds the counts, and return its path."""

    def sorted_file(counts, line="{}:{}\n"):
        path = tmp_path / "breached.txt"
        lines = [line.format(*entry) for entry in sorted((sha1(p), c) for p, c in counts.items())]
        path.write_bytes("".join(lines).encode())
        return path

    return sorted_file


@pytest.mark.parametrize("name", ["{}.txt", "{}"])
@pytest.mark.parametrize("line", ["{}:{}\r\n", "{}:{}\n"])
def test_password_is_found_in_its_range(folder, name, line):
    breached = BreachedPasswords(folder({"password": 12}, name, line))
    assert breached.count("password") == 12


def test_other_password_of_the_same_range_was_not_seen(folder):
    path = folder({"password": 12})
    file = path / f"{sha1('password')[:5]}.txt"
    file.write_text(file.read_text().replace(sha1("password")[5:], "F" * 35))
    assert BreachedPasswords(path).count("password") == 0


def test_lower_case_ranges_are_understood(folder):
    path = folder({"monkey": 3})
    (file,) = path.iterdir()
    file.write_text(file.read_text().lower())
    file.rename(path / file.name.lower())
    assert BreachedPasswords(path).count("monkey") == 3


def test_padding_of_the_range_service_is_no_finding(folder):
    assert BreachedPasswords(folder({"password": 0})).count("password") == 0


def test_range_that_is_not_here_is_not_evaluated(folder):
    breached = BreachedPasswords(folder({"password": 12}))
    assert breached.count("something else") is None
    health = breached.health()
    assert health.state == "ok"
    assert health.entries == 1
    assert health.problems == ("only 1 of 1048576 ranges are here; the rest is not evaluated",)


@pytest.mark.parametrize("content", ["", "<html>Too many requests</html>", "ABC:1\n"])
def test_broken_range_is_not_evaluated(folder, content):
    path = folder({"password": 12})
    (path / f"{sha1('password')[:5]}.txt").write_text(content)
    assert BreachedPasswords(path).count("password") is None


def test_enormous_range_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(breached_passwords, "LARGEST_RANGE", len("0" * 35 + ":7\r"))
    assert BreachedPasswords(folder({"password": 12})).count("password") is None


def test_range_files_are_counted_again_only_after_a_change(folder, monkeypatch):
    path = folder({"password": 12})
    breached = BreachedPasswords(path)
    assert breached.health().entries == 1
    with monkeypatch.context() as patch:
        patch.setattr(breached_passwords.os, "scandir", lambda path: pytest.fail("counted again"))
        assert breached.health().entries == 1
    folder({"monkey": 3})
    assert breached.health().entries == 2


def test_each_password_of_a_large_sorted_file_is_found(sorted_file):
    counts = {f"password {n}": n + 1 for n in range(20_000)}
    breached = BreachedPasswords(sorted_file(counts))
    for n in [0, 1, 19_999, *random.Random(1).sample(range(20_000), 500)]:
        assert breached.count(f"password {n}") == n + 1
    for n in range(20_000, 20_500):
        assert breached.count(f"password {n}") == 0


@pytest.mark.parametrize("size", [1, 2, 3, 90, 91, 92, 93, 94, 200])
def test_first_and_last_line_of_a_sorted_file_are_found(sorted_file, size):
    counts = {str(n): n + 1 for n in range(size)}
    breached = BreachedPasswords(sorted_file(counts))
    assert all(breached.count(password) == count for password, count in counts.items())


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\r\n"])
def test_end_of_a_sorted_file_may_have_a_line_break_or_not(sorted_file, end):
    counts = {str(n): 1 for n in range(500)}
    path = sorted_file(counts)
    path.write_bytes(path.read_bytes().rstrip() + end)
    breached = BreachedPasswords(path)
    assert all(breached.count(password) == 1 for password in counts)
    assert breached.health().entries == 500


def test_hash_without_count_was_seen_once(sorted_file):
    breached = BreachedPasswords(sorted_file({"password": 12}, line="{0}\n"))
    assert breached.count("password") == 1


def test_lower_case_hashes_are_understood(sorted_file):
    path = sorted_file({str(n): n + 1 for n in range(500)})
    path.write_text(path.read_text().lower())
    assert BreachedPasswords(path).count("77") == 78


def test_gigabytes_are_searched_without_being_read(sorted_file, monkeypatch):
    path = sorted_file({str(n): 1 for n in range(100_000)})
    read, pread = [], os.pread

    def counting(*args):
        content = pread(*args)
        read.append(len(content))
        return content

    monkeypatch.setattr(os, "pread", counting)
    breached = BreachedPasswords(path)
    assert breached.health().state == "ok"
    assert path.stat().st_size > 4_000_000
    assert 0 < sum(read) < 600_000, "the samples"
    read.clear()
    assert breached.count("77") == 1
    assert 0 < sum(read) < 200_000, "the search"


def test_sorted_file_is_inspected_once_for_each_version(sorted_file, monkeypatch):
    breached = BreachedPasswords(sorted_file({"password": 1}))
    assert breached.count("password") == 1
    with monkeypatch.context() as patch:
        patch.setattr(sorted_hashes, "_inspect", lambda file: pytest.fail("inspected again"))
        assert breached.count("password") == 1
        assert breached.health().entries == 1
    sorted_file({"password": 1, "monkey": 2})
    assert breached.health().entries == 2


@pytest.mark.parametrize("size", [200, 20_000])
@pytest.mark.parametrize("disorder", [lambda lines: lines[::-1], lambda lines: lines[1::2] + lines[::2]])
def test_unsorted_file_is_broken_and_not_evaluated(sorted_file, size, disorder):
    path = sorted_file({str(n): 1 for n in range(size)})
    path.write_text("\n".join(disorder(path.read_text().split())))
    breached = BreachedPasswords(path)
    assert {breached.count(str(n)) for n in range(100)} == {None}
    assert breached.health().state == "broken"
    assert breached.health().problems == ("the lines are not sorted by hash",)


@pytest.mark.parametrize(
    "content",
    [
        b"password\nmonkey\n",
        b"8846F7EAEE8FB117AD06BDD830B7586C:1\n" * 500,
        b"\x00" * 9999,
        b"<html>" * 9999,
        b"password " * 500_000,
    ],
)
def test_file_of_something_else_is_broken_and_not_evaluated(tmp_path, content):
    path = tmp_path / "breached.txt"
    path.write_bytes(content)
    assert BreachedPasswords(path).count("password") is None
    assert BreachedPasswords(path).health().state == "broken"


def test_blank_line_amid_the_hashes_hides_nothing(sorted_file):
    path = sorted_file({str(n): 1 for n in range(1000)})
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n\r\n"))
    assert BreachedPasswords(path).count("77") is None
    assert BreachedPasswords(path).health().state == "broken"


def test_missing_data_are_not_evaluated(tmp_path):
    breached = BreachedPasswords(tmp_path / "none")
    assert breached.count("password") is None
    assert breached.health().state == "missing"


def test_empty_data_are_not_evaluated(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for name in ("file", "folder"):
        assert BreachedPasswords(tmp_path / name).count("password") is None
        assert BreachedPasswords(tmp_path / name).health().state == "empty"


def test_pipe_is_broken_and_blocks_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    breached = BreachedPasswords(tmp_path / "pipe")
    assert breached.count("password") is None
    assert breached.health().state == "broken"


def replace(path, content, at=0):
    new = path.with_name("new")
    new.write_bytes(content)
    os.utime(new, (at, at))
    os.replace(new, path)


@pytest.mark.parametrize(
    ("content", "state"), [(b"<html>limit reached</html>", "broken"), (b"", "empty"), (None, "missing")]
)
def test_broken_new_version_is_reported_and_the_old_one_goes_on(sorted_file, content, state):
    """Issue 3: one broken download must not switch the detection off."""
    path = sorted_file({str(n): n + 1 for n in range(5000)})
    breached = BreachedPasswords(path)
    assert breached.count("77") == 78
    if content is None:
        path.unlink()
    else:
        replace(path, content)
    assert breached.count("77") == 78
    assert breached.count("not in it") == 0
    health = breached.health()
    assert health.state == state
    assert health.problems[-1].endswith("stays in use")
    assert 4900 < health.entries < 5100
    assert BreachedPasswords(path).count("77") is None


def test_sound_new_version_is_used_at_once(sorted_file, tmp_path):
    breached = BreachedPasswords(sorted_file({"password": 12}))
    assert breached.count("password") == 12
    build(["letmein"], tmp_path / "breached.txt")
    assert (breached.count("password"), breached.count("letmein")) == (0, 1)
    assert breached.health().state == "ok"


def test_version_that_was_written_over_in_place_is_not_read_any_more(sorted_file):
    """What stays of the old version then is not the old version."""
    path = sorted_file({"password": 12})
    breached = BreachedPasswords(path)
    assert breached.count("password") == 12
    path.write_bytes(b"half of a download")
    assert breached.count("password") is None
    assert breached.health().state == "broken"
    assert len(breached.health().problems) == 1


def test_many_threads_ask_at_once(sorted_file):
    """Each reads at a place of its own."""
    breached = BreachedPasswords(sorted_file({str(n): n + 1 for n in range(20_000)}))
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(breached.count, map(str, range(2000))))
    assert counts == list(range(1, 2001))


def test_old_data_are_reported_as_stale_and_still_answer(sorted_file):
    path = sorted_file({"password": 12})
    os.utime(path, (0, 0))
    breached = BreachedPasswords(path, max_age=timedelta(days=365))
    assert breached.health().state == "stale"
    assert breached.count("password") == 12


def test_health_estimates_the_entries_of_a_large_file(sorted_file):
    health = BreachedPasswords(sorted_file({str(n): 1 for n in range(20_000)})).health()
    assert health.state == "ok"
    assert 19_000 < health.entries < 21_000
    assert health.loaded_at is None
    assert 0 <= health.age_seconds < 60


def test_composed_and_decomposed_letters_are_the_same_password(sorted_file):
    breached = BreachedPasswords(sorted_file({"caf\u00e9": 5}))
    assert breached.count("cafe\u0301") == 5


def test_half_a_character_is_not_evaluated(sorted_file):
    assert BreachedPasswords(sorted_file({"password": 1})).count("\ud800") is None


def test_built_file_holds_its_words_and_nothing_else(tmp_path):
    path = tmp_path / "breached.txt"
    assert build(["password", "monkey", "password", "", "cafe\u0301"], path) == 3
    breached = BreachedPasswords(path)
    assert breached.count("password") == 2
    assert breached.count("monkey") == 1
    assert breached.count("caf\u00e9") == 1
    assert breached.count("dragon") == 0
    assert breached.health().entries == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_building_that_fails_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "breached.txt"
    build(["password"], path)
    with pytest.raises(UnicodeEncodeError):
        build(["monkey", "\ud800"], path)
    path.chmod(0o644)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        build(["monkey"], tmp_path / "folder")
    assert BreachedPasswords(path).count("password") == 1
    assert sorted(os.listdir(tmp_path)) == ["breached.txt", "folder"]


@given(st.sets(st.text(max_size=8), min_size=1, max_size=400), st.text(min_size=1, max_size=8))
@settings(deadline=None)
def test_built_file_answers_like_the_set_it_was_built_from(tmp_path_factory, words, other):
    path = tmp_path_factory.mktemp("breached") / "breached.txt"
    build({*words, "monkey"}, path)
    breached = BreachedPasswords(path)
    assert all(breached.count(word) >= 1 for word in words if word)
    known = {normalize("NFC", word) for word in words} | {"monkey"}
    assert (breached.count(other) > 0) is (normalize("NFC", other) in known)


def test_common_passwords_are_shipped():
    words = common_passwords()
    assert len(words) > 300
    assert len(set(words)) == len(words)
    assert {"password", "123456", "correct horse battery staple"} <= set(words)
    assert sum(len(word) >= 15 for word in words) > 100
    assert all(word == word.strip() and word for word in words)
