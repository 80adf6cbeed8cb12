import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idprotect import password_policy
from idprotect.password_policy import Code, Strength, check, normalise, strength


def codes(password, *, context_words=(), min_length=15, breached=lambda password: 0):
    problems = check(password, context_words=context_words, min_length=min_length, breached=breached)
    assert all(problem.message.endswith(".") for problem in problems)
    return [problem.code for problem in problems]


def message(password, **kwargs):
    defaults = {"context_words": (), "min_length": 15, "breached": lambda password: 0}
    (problem,) = check(password, **{**defaults, **kwargs})
    return problem.message


def test_fifteen_characters_are_enough_and_fourteen_are_not():
    assert codes("mqzuvhrytnbkwle") == []
    assert codes("mqzuvhrytnbkwl") == [Code.TOO_SHORT]
    assert message("mqzuvhrytnbkwl").startswith("Please use at least 15 characters; these are 14.")


def test_minimum_length_is_a_setting():
    assert codes("mqzuvhry", min_length=8) == []
    assert codes("mqzuvhr", min_length=8) == [Code.TOO_SHORT]


@pytest.mark.parametrize(
    "password",
    [
        "lower case letters only",
        "ONLY UPPER CASE HERE",
        "830465917264058",
        "!§$%&/()=?*'_:;<>",
        "пароль из русских слов",
        "我的密码是一首很长很长的诗歌吗",
        "🐈🐕🐎🐖🐏🐓🦆🦉🐝🐛🦋🐌🐞🐜🦂",
        "tab\tand\nbreak and \x00 nul",
        "   spaces around   ",
    ],
)
def test_any_characters_are_accepted_and_none_are_demanded(password):
    assert codes(password) == []


def test_length_counts_characters_not_bytes_and_in_one_normal_form():
    fourteen = "e\u0301mqzuvhrytnbkw"
    assert len(fourteen) == 15
    assert codes(fourteen) == [Code.TOO_SHORT]
    assert codes(fourteen + "l") == []


@pytest.mark.parametrize("character", ["x", "é", "🐈"])
def test_sixty_four_characters_of_any_script_fit(character):
    words = "".join(f"{character}{n}" for n in range(32))
    assert len(words) >= 64
    assert codes(words[:64]) == []


def test_cap_is_1024_bytes():
    text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz ", k=1025))
    assert codes(text[:1024]) == []
    assert codes(text) == [Code.TOO_LONG]
    assert codes("é" + text[:1023]) == [Code.TOO_LONG]
    assert codes("\u0958" * 300) == [Code.TOO_LONG]  # normalising doubles it


def test_nothing_costly_is_done_with_an_endless_password(monkeypatch):
    monkeypatch.setattr(password_policy, "normalise", lambda password: pytest.fail("measured"))
    assert codes("é" * 10_000_000, breached=lambda password: pytest.fail("looked up")) == [Code.TOO_LONG]


def test_half_a_character_is_refused():
    assert codes("mqzuvhrytnbkwl\ud800") == [Code.NOT_TEXT]


@pytest.mark.parametrize(
    "password",
    [
        "correcthorsebatterystaple",
        "Correct Horse Battery Staple",
        "PASSWORDPASSWORD",
        "123456789987654321",
        "dragondragondragon",
        "monkeymonkeymonk",
        "aaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcab",
        "1212121212121212",
    ],
)
def test_common_password_is_refused(password):
    assert codes(password) == [Code.COMMON]


@pytest.mark.parametrize("password", ["password", "Liverpool", "qwertyui", "iloveyou", "blingbling"])
def test_common_password_is_refused_where_eight_characters_do(password):
    assert codes(password, min_length=8) == [Code.COMMON]


@pytest.mark.parametrize(
    "password", ["my password is a long sentence", "the dragon and the monkey", "banana bandana bananas"]
)
def test_common_word_in_a_longer_password_is_accepted(password):
    assert codes(password) == []


def test_repetition_of_something_uncommon_is_accepted():
    assert codes("mqzuvmqzuvmqzuv") == []


def test_breached_password_is_refused_with_the_reason():
    def breached(password):
        return {"mqzuvhrytnbkwle": 1234, "mqzuvhrytnbkwlf": 1}.get(password, 0)

    assert codes("mqzuvhrytnbkwle", breached=breached) == [Code.BREACHED]
    assert "1,234 times" in message("mqzuvhrytnbkwle", breached=breached)
    assert "once" in message("mqzuvhrytnbkwlf", breached=breached)
    assert codes("mqzuvhrytnbkwlg", breached=breached) == []


def test_breached_data_are_asked_for_the_normal_form():
    asked = []
    codes("cafe\u0301 with many chairs", breached=asked.append)
    assert asked == ["caf\u00e9 with many chairs"]


def test_without_breached_data_the_common_ones_are_still_refused():
    assert codes("mqzuvhrytnbkwle", breached=lambda password: None) == []
    assert codes("passwordpassword", breached=lambda password: None) == [Code.COMMON]


@pytest.mark.parametrize(
    "password",
    [
        "alice.smith@example.org",
        "Alice.Smith-2026!",
        "AliceAliceAlice1!",
        "smith smith 123 alice",
        "idprotect-idprotect-1",
        "exampleexample.ORG",
        "alice1234512345512",
    ],
)
def test_password_made_of_the_user_or_the_service_is_refused(password):
    assert codes(password, context_words=["alice.smith@example.org", "idprotect"]) == [Code.CONTEXT_WORD]


def test_reason_names_the_word_that_was_found():
    assert "“idprotect” is most of that" in message(
        "idprotect-idprotect-1", context_words=["Bob", "idprotect"]
    )


@pytest.mark.parametrize(
    "password", ["my cat alice sleeps on the sofa", "mqzuvhrytnbk alice", "12345667890zzz aabbccd"]
)
def test_own_name_in_a_longer_password_is_accepted(password):
    assert codes(password, context_words=["alice.smith@example.org"]) == []


def test_names_too_short_to_mean_anything_are_ignored():
    assert codes("ab ab ab ab ab c", context_words=["ab", "", "c d"], min_length=8) == []


def test_all_problems_are_told_at_once():
    problems = codes("Dragon", context_words=["dragon"], breached=lambda password: 3)
    assert problems == [Code.TOO_SHORT, Code.COMMON, Code.CONTEXT_WORD, Code.BREACHED]


@given(st.text("ab", min_size=1, max_size=6), st.integers(1, 5), st.integers(0, 5))
@settings(deadline=None)
def test_shortest_round_is_measured_right(unit, times, cut):
    text = (unit * times + unit[:cut])[:40]
    periods = (n for n in range(1, len(text) // 2 + 1) if (text[:n] * len(text))[: len(text)] == text)
    assert password_policy._round(text) == next(periods, len(text))


@given(st.text(alphabet=st.characters()))
@settings(deadline=None)
def test_every_text_is_judged_without_error(password):
    codes(password, context_words=[password, "idprotect"])
    assert normalise(normalise(password)) == normalise(password)


def test_strength_has_five_labels():
    labels = {
        strength(password).label
        for password in ["password", "zxcvbn77x", "Tr0ub4dour", "jkwqp-7rf", "mqzuvhrytnbkwle"]
    }
    assert strength("password") == Strength(0, "very weak", strength("password").suggestions)
    assert strength("mqzuvhrytnbkwle") == Strength(4, "very strong", ())
    assert labels <= set(password_policy.LABELS)


def test_weak_password_gets_advice():
    suggestions = strength("password").suggestions
    assert suggestions
    assert all(suggestions)


def test_empty_password_is_very_weak():
    assert strength("") == Strength(0, "very weak", ())


@given(st.text(alphabet=st.characters(), max_size=90), st.text(max_size=10))
@settings(deadline=None)
def test_strength_of_every_text_is_told(password, word):
    assert 0 <= strength(password, [word]).score <= 4


def test_own_name_makes_a_password_weaker():
    assert (
        strength("zygmuntbrzeczysz").score
        > strength("zygmuntbrzeczysz", ["Zygmunt.Brzeczysz@example.org"]).score
    )


def test_password_longer_than_zxcvbn_takes_is_measured_by_its_beginning():
    assert strength("mqzuvhrytnbkwle" * 100).label
    assert strength("a" * 1024).score == 0


def test_strength_is_told_in_a_moment_whatever_is_typed():
    alphabet = "4@8({[<369!|1057+$2%"
    generator = random.Random(1)
    for password in (alphabet * 4, "".join(generator.choices(alphabet + "passwordlove", k=72))):
        began = time.process_time()
        assert strength(password).score == 4
        assert time.process_time() - began < 10


def test_words_of_one_person_do_not_weaken_the_password_of_another(monkeypatch):
    # zxcvbn keeps the words in a global while it works, so two must not be at work together.
    busy = threading.Lock()

    def zxcvbn(*args, **kwargs):
        assert busy.acquire(blocking=False)
        time.sleep(0.005)
        busy.release()
        return {"score": 4, "feedback": {"warning": "", "suggestions": []}}

    monkeypatch.setattr("zxcvbn.zxcvbn", zxcvbn)
    with ThreadPoolExecutor(4) as pool:
        assert {answer.score for answer in pool.map(strength, ["mqzuvhrytnbkwle"] * 20)} == {4}


def test_words_of_one_person_are_forgotten_afterwards():
    before = strength("zygmuntbrzeczysz")
    assert strength("zygmuntbrzeczysz", ["zygmunt", "brzeczysz"]).score < before.score
    assert strength("zygmuntbrzeczysz") == before
