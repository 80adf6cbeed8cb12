"""C063, a safe subset of an expression language: what it means, what it refuses, and that nothing else can come of it.

Every expression that is drawn is asked twice: here by our reader, and by Python's own ``eval`` where every fact is known.
"""

import ast
import re
import time
import timeit
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idprotect.conditional_access import AccessRequest, Control, Outcome, Step, Unregistered, evaluate
from idprotect.conditional_access.expressions import FACTS, MAX_LENGTH, Expression, Kind
from idprotect.errors import PolicyError, Problem
from idprotect.risk import RiskLevel
from tests.conditional_access.examples import (
    HIGH,
    LOW,
    MEDIUM,
    MINUTE,
    NOW,
    RISK_AT,
    asking,
    in_force,
    policy,
)
from tests.support import PROJECT

Answer = Callable[[AccessRequest], float]
DOCS = (PROJECT / "docs" / "policies.md").read_text()


def value(text: str, **facts: Any) -> bool | None:
    return Expression.parse(text).value(asking(**facts))


def seconds(action: Callable[[], Any], times: int = 1) -> float:
    """Return the CPU that it takes, when nothing else (like collecting garbage) comes between."""
    return min(timeit.repeat(action, timer=time.process_time, number=times, repeat=5)) / times


def problem(text: str) -> str:
    """Return what is wrong with an expression."""
    with pytest.raises(PolicyError) as error:
        Expression.parse(text)
    (found,) = error.value.problems
    assert isinstance(found, Problem)
    assert re.match(r"'expression', character [1-9]\d*: \S", found), found
    return found


# Any expression and any facts

COUNTRIES, PLATFORMS = ("CH", "DE", "AT"), ("ios", "linux")
TEXTS = {
    "username": ("ada", "eve"),
    "client_id": ("notes", "bank"),
    "country": COUNTRIES,
    "platform": PLATFORMS,
}
SETS = {
    "groups": ("staff", "guests"),
    "scopes": ("openid", "payments"),
    "roles": ("reader",),
    "locations": ("office",),
}
LEVELS = ("sign_in_risk", "session_risk", "user_risk")
TRUTHS = ("known_device", "registered", "registering", "temporary_password")
PATTERNS = ("a*", "*a", "*st*f*", "ada", "s*s", "g*", "**t", "*e*e*", "st**ff", "?da")


def some(values: tuple[str, ...]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(values))


@st.composite
def requests(draw: st.DrawFn, unknown: bool = False) -> AccessRequest:
    """Draw facts, of which country and platform may be unknown."""
    nothing = [None] if unknown else []
    facts: dict[str, Any] = {
        name: draw(st.sampled_from((*TEXTS[name],))) for name in ("username", "client_id")
    }
    facts |= {name: draw(st.sampled_from([*TEXTS[name], *nothing])) for name in ("country", "platform")}
    facts |= {name: draw(some(values)) for name, values in SETS.items()}
    facts |= {name: draw(st.sampled_from(RiskLevel)) for name in LEVELS}
    facts |= {name: draw(st.booleans()) for name in TRUTHS}
    return asking(**facts)


def level_of(request: AccessRequest, name: str) -> int:
    if name == "sign_in_risk":
        return max(request.sign_in_risk, request.session_risk)
    return int(getattr(request, name))


def quoted(draw: st.DrawFn, text: str) -> str:
    return draw(st.sampled_from(["'{}'", '"{}"'])).format(text)


@st.composite
def comparisons(draw: st.DrawFn, names_unknown: bool = True) -> tuple[str, Answer]:
    """Draw an expression without and, or, not; with what it says: 1, 0, or a half for unknown."""
    kind = draw(st.sampled_from(["truth", "text", "list", "level", "levels", "set", "like", "facts"]))
    if kind == "truth":
        name = draw(st.sampled_from(TRUTHS))
        return name, lambda request: float(getattr(request, name))
    if kind in ("text", "list"):
        name = draw(st.sampled_from([*TEXTS]))
        may_be_unknown = name in ("country", "platform")
        choices = [*TEXTS[name], *(["unknown"] if may_be_unknown and names_unknown else [])]
        values = draw(st.lists(st.sampled_from(choices), min_size=1, max_size=3))
        if kind == "text":
            values, operator = values[:1], draw(st.sampled_from(["==", "!="]))
            sides = [name, quoted(draw, values[0])]
            text = f" {operator} ".join(sides if draw(st.booleans()) else sides[::-1])
        else:
            operator = draw(st.sampled_from(["in", "not in"]))
            text = f"{name} {operator} [{','.join(quoted(draw, one) for one in values)}]"

        def among(request: AccessRequest) -> float:
            found = getattr(request, name)
            told = 1 if "unknown" in values else 0.5
            said = found in values if found is not None else told
            return 1 - said if operator in ("!=", "not in") else said

        return text, among
    if kind == "level":
        name, label = draw(st.sampled_from(LEVELS)), draw(st.sampled_from(["low", "medium", "high"]))
        operator = draw(st.sampled_from(["==", "!=", "<", ">="]))
        level = RiskLevel[label.upper()]
        by = {"==": int.__eq__, "!=": int.__ne__, "<": int.__lt__, ">=": int.__ge__}[operator]
        return f'{name}{operator}"{label}"', lambda request: float(by(level_of(request, name), int(level)))
    if kind == "levels":
        name = draw(st.sampled_from(LEVELS))
        return f'"none" < {name} <= "medium"', lambda request: float(0 < level_of(request, name) < 3)
    if kind == "set":
        name = draw(st.sampled_from([*SETS]))
        one, no = draw(st.sampled_from(SETS[name])), draw(st.booleans())
        return (
            f"{quoted(draw, one)} {'not ' if no else ''}in {name}",
            lambda request: float((one in getattr(request, name)) is not no),
        )
    if kind == "like":
        name, pattern = draw(st.sampled_from(["username", "groups"])), draw(st.sampled_from(PATTERNS))
        wanted = re.compile(".*".join(re.escape(piece) for piece in pattern.split("*")))

        def like(request: AccessRequest) -> float:
            found = {request.username} if name == "username" else request.groups
            return float(any(wanted.fullmatch(one) for one in found))

        return f'matches({name}, "{pattern}")', like
    return "user_risk>session_risk", lambda request: float(request.user_risk > request.session_risk)


def joined(children: st.SearchStrategy[tuple[str, Answer]]) -> st.SearchStrategy[tuple[str, Answer]]:
    def and_(parts: list[tuple[str, Answer]]) -> tuple[str, Answer]:
        return " and ".join(f"({text})" for text, _ in parts), lambda asked: min(
            said(asked) for _, said in parts
        )

    def or_(parts: list[tuple[str, Answer]]) -> tuple[str, Answer]:
        return "(" + " or ".join(text for text, _ in parts) + ")", lambda asked: max(
            said(asked) for _, said in parts
        )

    several = st.lists(children, min_size=2, max_size=3)
    return st.one_of(
        several.map(and_),
        several.map(or_),
        children.map(lambda part: (f"not ({part[0]})", lambda asked: 1 - part[1](asked))),
    )


def is_constant(text: str) -> bool:
    """Whether an expression is refused because it says the same in every case."""
    try:
        Expression.parse(text)
    except PolicyError as error:
        assert "this is always so" in str(error) or "this is never so" in str(error), text
        return True
    return False


def may_be_either(drawn: tuple[str, Answer]) -> bool:
    return len(drawn[0]) <= MAX_LENGTH and not is_constant(drawn[0])


any_expressions = st.recursive(comparisons(), joined, max_leaves=8)
expressions = any_expressions.filter(may_be_either)
without_unknown = st.recursive(comparisons(names_unknown=False), joined, max_leaves=8).filter(may_be_either)
AS_TRUTH = {1: True, 0: False, 0.5: None}


@settings(max_examples=600)
@given(expressions, requests(unknown=True))
def test_an_expression_says_what_kleenes_logic_says(
    drawn: tuple[str, Answer], request: AccessRequest
) -> None:
    """C063: ``and`` is the least, ``or`` the greatest, ``not`` the opposite; half-way is unknown."""
    text, said = drawn
    found = Expression.parse(text)
    assert found.value(request) is AS_TRUTH[float(said(request))], text
    assert found.holds(request) is (said(request) > 0), "what is unknown applies"


class Level(str):
    """A level for Python's own comparisons."""

    def _order(self, other: str) -> int:
        labels = [level.label for level in RiskLevel]
        return labels.index(self) - labels.index(other)

    def __lt__(self, other: str) -> bool:
        return self._order(other) < 0

    def __le__(self, other: str) -> bool:
        return self._order(other) <= 0

    def __gt__(self, other: str) -> bool:
        return self._order(other) > 0

    def __ge__(self, other: str) -> bool:
        return self._order(other) >= 0


def by_python(text: str, request: AccessRequest) -> bool:
    """Return what Python makes of it."""
    names = {name: getattr(request, name) for name in FACTS}
    names |= {name: Level(RiskLevel(level_of(request, name)).label) for name in LEVELS}

    def matches(found: Any, pattern: str) -> bool:
        wanted = re.compile(".*".join(re.escape(piece) for piece in pattern.split("*")))
        return any(wanted.fullmatch(one) for one in ({found} if isinstance(found, str) else found))

    return bool(eval(text, {"__builtins__": {}, "matches": matches}, names))


@settings(max_examples=600)
@given(expressions, requests())
@example(("known_device or registered and registering", float), asking(known_device=True))
@example(("not registered or known_device", float), asking(known_device=True, registered=True))
def test_whatever_is_taken_means_in_python_what_it_means_here(drawn: Any, request: AccessRequest) -> None:
    """C063: with every fact known; the same binding of ``not``, ``and``, ``or`` and chains."""
    assert Expression.parse(drawn[0]).value(request) is by_python(drawn[0], request), drawn[0]


@settings(max_examples=300)
@given(without_unknown, requests(unknown=True), st.sampled_from(COUNTRIES), st.sampled_from(PLATFORMS))
def test_what_is_told_without_a_fact_stays_so_whatever_the_fact_is(
    drawn: tuple[str, Answer], request: AccessRequest, country: str, platform: str
) -> None:
    """C063: unknown evades nothing: what is false of the unknown is false of every country."""
    found = Expression.parse(drawn[0])
    said = found.value(request)
    facts = {name: getattr(request, name) for name in request.__slots__}
    known = AccessRequest(
        **facts | {"country": request.country or country, "platform": request.platform or platform}
    )
    assert said is None or found.value(known) is said


@settings(max_examples=300)
@given(without_unknown, without_unknown, requests(unknown=True))
def test_the_laws_of_logic_hold(
    first: tuple[str, Answer], second: tuple[str, Answer], request: AccessRequest
) -> None:
    """C063: De Morgan's, twice not, either order."""
    a, b = f"({first[0]})", f"({second[0]})"
    for one, same in (
        (f"not ({a} and {b})", f"not {a} or not {b}"),
        (f"not ({a} or {b})", f"not {a} and not {b}"),
        (f"not not {a}", a),
        (f"{a} and {b}", f"{b} and {a}"),
        (f"{a} or {b}", f"{b} or {a}"),
        (f"{a} and {a}", a),
    ):
        if max(len(one), len(same)) <= MAX_LENGTH and not is_constant(one):
            assert Expression.parse(one).value(request) is Expression.parse(same).value(request)


@settings(max_examples=300)
@given(expressions, requests(unknown=True))
def test_what_fails_is_told_in_the_words_that_were_written(
    drawn: tuple[str, Answer], request: AccessRequest
) -> None:
    """C063: each part is false by itself, and there is one exactly when the whole is false."""
    found = Expression.parse(drawn[0])
    failing = found.failing(request)
    assert bool(failing) is (found.value(request) is False)
    for part, facts in failing.items():
        assert part in found.text
        assert is_constant(part) or Expression.parse(part).value(request) is False
        assert facts <= FACTS.keys()


@settings(max_examples=600)
@given(any_expressions, requests())
@example(("known_device or not known_device", lambda _: 1), asking())
@example(('(country == "DE" or country != "DE")', lambda _: 1), asking(country="DE", platform="ios"))
def test_only_what_says_the_same_in_every_case_is_refused_for_that(
    drawn: tuple[str, Answer], request: AccessRequest
) -> None:
    """C063, F064: so a block with an expression is not about everybody."""
    text, said = drawn
    if len(text) <= MAX_LENGTH and is_constant(text):
        assert bool(said(request)) is ("always" in problem(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("known_device or not known_device", "always"),
        ("registered and not (registered or known_device)", "never"),
        ('country == "DE" or country != "DE"', "always"),
        ('country == "DE" and country == "AT"', "never"),
        ('user_risk >= "low" or user_risk == "none"', "always"),
        ('platform in ["ios", "android"] or platform != "ios"', "always"),
        ('"a" in groups and "a" not in groups', "never"),
        ('matches(groups, "a*") or not matches(groups, "a*")', "always"),
        ("user_risk > sign_in_risk or not user_risk > sign_in_risk", "always"),
        ('country == "unknown" or country != "DE"', ""),
        ('"a" in groups and "b" not in groups', ""),
        ('"a" in groups or "a" not in scopes', ""),
        ('user_risk >= "low" or sign_in_risk == "none"', ""),
    ],
)
def test_what_depends_on_nothing_is_refused(text: str, said: str) -> None:
    """C063: a policy that is about everybody says so by having no condition."""
    if said:
        assert f"this is {said} so" in problem(text)
    else:
        assert not is_constant(text)


@pytest.mark.parametrize(
    ("pattern", "username", "is_like"),
    [
        ("ada", "ada", True),
        ("ada", "adam", False),
        ("a*", "a", True),
        ("*@partner.example", "ada@partner.example", True),
        ("*@partner.example", "ada@partner.example.org", False),
        ("ad*da", "ada", False),
        ("ad*da", "adda", True),
        ("a*b*b", "ab", False),
        ("a*b*b", "abb", True),
        ("*b*a*", "ab", False),
        ("a?a", "ada", False),
        ("[ab]da", "ada", False),
        ("A*", "ada", False),
        ("**d**", "ada", True),
    ],
)
def test_a_star_stands_for_anything_and_nothing_else_does(pattern: str, username: str, is_like: bool) -> None:
    """C063: the pieces follow one another, and none is used twice."""
    assert value(f'matches(username, "{pattern}")', username=username) is is_like


# Texts that are no expressions

SOUP = st.lists(
    st.sampled_from(
        [
            *"()[],.:=!<>&|^~+-*/%@{}\"'\\ \n\t#;0",
            "and",
            "or",
            "not",
            "in",
            "is",
            "==",
            "!=",
            "<=",
            ":=",
            "**",
        ]
        + [*FACTS, "matches", '"a"', "'DE'", '"high"', "lambda", "f'", "if", "else", "for", "None", "é", "\0"]
    ),
    max_size=40,
)


@settings(max_examples=1500)
@given(
    st.one_of(st.text(max_size=60), SOUP.map(" ".join), SOUP.map("".join), st.binary(max_size=30).map(str))
)
def test_any_text_is_an_expression_or_told_what_is_wrong(text: str) -> None:
    """C063: one Problem with its place, and never another error; what is taken is Python, too."""
    try:
        found = Expression.parse(text)
    except PolicyError:
        assert problem(text)
        return
    ast.parse(" ".join(text.split()), mode="eval")
    assert found.value(asking()) in (True, False, None)


HOSTILE = [
    "",
    " \n\t ",
    "__import__('os').system('id')",
    "().__class__.__bases__[0].__subclasses__()",
    "known_device.__class__",
    "getattr(username, 'x')",
    "eval('1')",
    "lambda: known_device",
    "(known_device := registered)",
    "known_device if registered else registering",
    "[x for x in groups]",
    "{'a'} == groups",
    "f'{username}' == 'ada'",
    "b'ada' == username",
    "'a' 'b' == username",
    "username == 'a' + 'b'",
    "username == 'a' * 10**9",
    "9" * 900 + " == username",
    "1e999 < 2",
    "0x" + "f" * 900,
    "username == 'ada\\x00'",
    "username == 'ada\0'",
    "username == '\ud800'",
    "known_device\0",
    "known_device # and registered",
    "known_device; registered",
    "known_device\\\n",
    "ｋnown_device",
    "knоwn_device",
    "known_device аnd registered",
    "username == “ada”",
    "username == 'ada\u202e'",
    "username == 'ada",
    '"""ada""" == username',
    "True",
    "None == country",
    "not",
    "in",
    "and known_device",
    "known_device or",
    "known_device not registered",
    "username == ",
    "country in []",
    "country in ['DE', country]",
    "country in [['DE']]",
    "country in ('DE', 'AT')",
    "('DE') in ['DE']",
    "username == ''",
    "matches",
    "matches()",
    "matches(username)",
    "matches(username, 'a', 'b')",
    "matches(username, groups)",
    "matches('ada', 'a*')",
    "matches(known_device, 'a*')",
    "matches(country, 'D*')",
    "matches(username, '*')",
    "matches(username, 'a'",
    "matches(matches(username, 'a'), 'b')",
    "(" * 1000,
    "(" * 400 + "known_device" + ")" * 400,
    "not " * 200 + "known_device",
    "[" * 1000,
    "country in [" + "'DE'," * 190,
    "known_device and " * 50 + "(" * 21 + "registered" + ")" * 21,
    "known_device or " * 70 + "registered",
    "x" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:30]))
def test_what_is_hostile_is_refused_at_once(text: str) -> None:
    """C063: no code, no nesting that a parser falls over, no character that looks like another."""
    assert seconds(lambda: problem(text)) < 0.25


def test_the_longest_expressions_are_read_and_asked_quickly() -> None:
    """C063: time is bounded by length, and the worst pattern is looked for once."""
    longest = [
        " or ".join(["known_device"] * 62),
        " and ".join(['matches(username, "*a*a*a*a*a*a*a*a*a*a*b")'] * 20),
        "country in [" + ",".join(["'DE'"] * 190) + "]",
        "(" * 20 + "known_device" + ")" * 20,
        "not " * 20 + "known_device",
    ]
    request = asking(username="a" * 255, country="FR")
    for text in longest:
        assert seconds(partial(Expression.parse, text)) < 0.25, text
        assert seconds(partial(Expression.parse(text).value, request)) < 0.01, text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('countri == "DE"', "character 1: no fact is called 'countri'; did you mean 'country'?"),
        ("registered and xyz", "character 16: no fact is called 'xyz'; there are username, groups,"),
        ('username = "ada"', "character 10: '=' has no meaning here; write '==' to compare"),
        ("registered && known_device", "character 12: '&' has no meaning here; write 'and'"),
        ("registered || known_device", "write 'or'"),
        ("!registered", "write 'not', or '!=' to compare"),
        (
            "registered == true",
            "character 15: 'true' has no meaning here; say 'known_device', or 'not known_device'",
        ),
        ("registered is True", "'is' has no meaning here; write '==' or '!='"),
        ('registered == "yes"', "'registered' is true or false; say 'registered', or 'not registered'"),
        ('sign_in_risk >= "severe"', "character 17: 'severe' is not a level: none, low, medium, high"),
        ('sign_in_risk >= "High"', "'High' is not a level"),
        ('country == "de"', "'de' is not a country: two capital letters, or unknown"),
        ('platform in ["beos"]', "'beos' is not a platform: android, chromeos, ios"),
        ('username < "b"', "'username' is a text, which has no order; ask for username == "),
        (
            "country == platform",
            "'country' is a country, and 'platform' is a platform; only what is of one kind",
        ),
        ("user_risk == user_risk", "'user_risk' is compared with itself"),
        ('user_risk >= "none"', "this is always so"),
        ('user_risk < "none"', "this is never so"),
        ('user_risk in ["none", "low", "medium", "high"]', "this is always so"),
        ('groups == "staff"', "'groups' is a set of texts; ask for \"…\" in groups"),
        ('groups in ["staff"]', "'groups' is a set of texts"),
        ('["staff"] in groups', "one text is looked for in 'groups'"),
        ("username in groups", "one text is looked for in 'groups'"),
        ('"ada" in username', "'username' is a text"),
        ('country in "DE"', "a list stands after 'in'"),
        ('country == ["DE"]', "a list stands after 'in' alone"),
        ('"a" == "a"', "no fact is compared here"),
        ('"a" in ["a"]', "no fact is compared here"),
        ('"a"', "a text says nothing by itself"),
        ("user_risk", "'user_risk' is a level; ask for user_risk >= \"medium\""),
        ("groups and registered", "'groups' is a set of texts"),
        ("(registered and registering) == registered", "this is true or false already"),
        ("registered registering", "'registering' does not follow here; say 'and' or 'or' between"),
        ("(registered", "')' is missing before the end"),
        ("1 < 2", "no fact is a number"),
        ("size(groups)", "no function is called 'size'; there is matches(groups, "),
        ("x" * 1001, "character 1001: an expression has at most 1000 characters"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_is_possible(text: str, said: str) -> None:
    """C063: when the policy is written, and not at a sign-in."""
    assert said in problem(text)


# What the documentation says


def test_the_table_of_facts_is_that_of_the_code() -> None:
    """C063: neither names what the other does not; and every fact is one of a receipt, by its own name."""
    table = re.findall(
        r"^\| `(\w+)` \| ([\w ]+) \| (.+?) \|$", DOCS.partition("These are the facts")[2], re.M
    )
    assert table == [(fact.name, str(fact.kind), fact.about) for fact in FACTS.values()]
    assert FACTS.keys() <= {field.name for field in fields(AccessRequest)}
    assert {fact.kind for fact in FACTS.values()} == set(Kind)


def test_the_examples_of_the_documentation_are_expressions() -> None:
    """C063."""
    examples = DOCS.partition("Some that people ask for")[2].partition("```python")[2].partition("```")[0]
    assert len(examples.strip().splitlines()) >= 5
    for line in examples.strip().splitlines():
        Expression.parse(line)


def test_the_table_of_the_unknown_is_what_happens() -> None:
    """C063: read from the documentation, cell by cell."""
    rows = re.findall(
        r"^\| `(.+?)`.*? \| (–|applies) \| (–|applies) \| (–|applies) \|$",
        DOCS.partition("Unknown is not safe")[2],
        re.M,
    )
    assert len(rows) == 6
    for text, *cells in rows:
        found = Expression.parse(text)
        said = [found.holds(asking(country=country)) for country in ("DE", "FR", None)]
        assert said == [cell == "applies" for cell in cells], text


@pytest.mark.parametrize("nothing", [None, "", "unknown"])
def test_a_country_that_is_unknown_is_so_however_it_is_written(nothing: str | None) -> None:
    """C063: as in the lists of countries."""
    assert value('country == "DE"', country=nothing) is None
    assert value('platform != "ios"', platform=nothing) is None
    assert value('country == "unknown"', country=nothing) is True
    assert value('platform not in ["unknown"]', platform=nothing) is False
    assert value('country == "unknown"', country="DE") is False


# What a policy makes of it


def test_an_expression_is_one_condition_among_the_others() -> None:
    """C063: ANDed with the lists; what fails is kept with the result."""
    one = policy("p", Control.BLOCK, user_risk={HIGH}, expression='not known_device and "staff" in groups')
    (result,) = evaluate(in_force(one), asking(known_device=True)).results
    assert result.unmet == ("user_risk", "expression")
    assert result.to_dict() == {
        "policy": "p",
        "outcome": "not_applied",
        "unmet": ["user_risk", "expression"],
        "failing": ["not known_device", '"staff" in groups'],
    }
    applied = evaluate(in_force(one), asking(user_risk=HIGH, groups={"staff"}))
    assert applied.first is Step.BLOCK
    assert "failing" not in applied.results[0].to_dict()


def test_a_block_that_an_expression_narrows_is_none_of_everybody() -> None:
    """C063, F064: the words that confirm it are asked for where nothing narrows it."""
    assert policy("p", Control.BLOCK).blocks_everyone
    assert not policy("p", Control.BLOCK, expression="not registered").blocks_everyone


@pytest.mark.parametrize("text", ['user_risk >= "medium"', 'user_risk > "none" or not known_device'])
def test_a_second_factor_has_to_be_newer_than_the_risk_that_an_expression_names(text: str) -> None:
    """C063: as where the level stands in a list; without risk any factor of the sign-in will do."""
    force = in_force(policy("p", Control.MFA, expression=text))
    old = {"registered": True, "mfa_at": RISK_AT - MINUTE}
    assert Step.MFA in evaluate(force, asking(user_risk=HIGH, **old)).steps
    assert evaluate(force, asking(user_risk=HIGH, registered=True, mfa_at=NOW)).allowed
    assert evaluate(force, asking(**old)).allowed


def test_risk_in_an_expression_is_told_and_cleared_like_risk_in_a_list() -> None:
    """C063: notice first; passing remediates the sign-in; where there is no risk, it is about something else."""
    for text in ('sign_in_risk >= "medium"', 'sign_in_risk >= "medium" or not known_device'):
        force = in_force(policy("p", Control.MFA, expression=text))
        risky = evaluate(force, asking(sign_in_risk=MEDIUM, registered=True))
        assert risky.steps == (Step.NOTICE, Step.MFA)
        assert risky.mfa_for_sign_in_risk
        assert not risky.about_user
    harmless = evaluate(force, asking(registered=True))
    assert harmless.steps == (Step.MFA,)
    assert not harmless.mfa_for_sign_in_risk


def test_risk_of_the_user_in_an_expression_is_about_the_user() -> None:
    """C063: told as such; nobody at risk registers; without risk it is about something else."""
    force = in_force(policy("p", Control.MFA, expression='user_risk > "none" or country == "FR"'))
    at_risk = evaluate(force, asking(user_risk=LOW, registered=True))
    assert (at_risk.steps, at_risk.about_user) == ((Step.NOTICE, Step.MFA), True)
    assert evaluate(force, asking(user_risk=LOW)).first is Step.BLOCK
    assert evaluate(force, asking(country="FR")).first is Step.MFA_REGISTRATION
    block = in_force(policy("p", Control.BLOCK, expression='user_risk > "none" or country == "FR"'))
    assert evaluate(block, asking(user_risk=LOW)).about_user
    assert not evaluate(block, asking(country="FR")).about_user, "a familiar place would help"


def test_a_session_that_turned_up_elsewhere_is_judged_by_an_expression_too() -> None:
    """C063: ``sign_in_risk`` is also how the session was used since, and the factor has to be newer than that."""
    force = in_force(policy("p", Control.MFA, expression='sign_in_risk >= "medium"'))
    moved = {"session_risk": HIGH, "session_risk_at": NOW - MINUTE, "registered": True}
    before = evaluate(force, asking(**moved, mfa_at=NOW - 2 * MINUTE))
    assert before.steps == (Step.NOTICE, Step.MFA), "it is asked for, so nobody has to sign in again"
    assert evaluate(force, asking(**moved, mfa_at=NOW)).allowed
    listed = policy("q", Control.MFA, sign_in_risk={HIGH}, expression='session_risk != "high"')
    (result,) = evaluate(in_force(listed), asking(session_risk=LOW, session_risk_at=NOW)).results
    assert result.unmet == ("sign_in_risk",), "what a list names is not what an expression does"


def test_what_an_expression_closed_no_pass_opens() -> None:
    """C063: the expression may have another reason; a list of levels beside it is opened as ever."""
    asked = {"sign_in_risk": HIGH, "registered": True, "vouched_for": True, "country": "FR"}
    either = policy("p", Control.BLOCK, expression='sign_in_risk >= "high" or country == "FR"')
    assert evaluate(in_force(either), asking(**asked)).first is Step.BLOCK
    both = policy("p", Control.BLOCK, sign_in_risk={HIGH}, expression='country == "FR"')
    assert evaluate(in_force(both), asking(**asked)).first is not Step.BLOCK


@pytest.mark.parametrize("unregistered", Unregistered)
def test_whoever_may_register_at_risk_is_said_beside_an_expression_too(unregistered: Unregistered) -> None:
    """C063, F047: it belongs to whatever names the risk of the sign-in."""
    one = policy("p", Control.MFA, expression='sign_in_risk >= "medium"', unregistered=unregistered)
    (result,) = evaluate(in_force(one), asking(sign_in_risk=HIGH)).results
    registers = unregistered is Unregistered.REGISTER
    assert result.outcome is (Outcome.REGISTRATION_REQUIRED if registers else Outcome.BLOCKED)


def test_evaluating_takes_microseconds() -> None:
    """C063: policies are evaluated at each request. The bound is loose, for slow machines."""
    found = Expression.parse('sign_in_risk >= "medium" and not known_device and country not in ["DE", "AT"]')
    request = asking(sign_in_risk=HIGH, country="FR")
    assert seconds(lambda: found.holds(request), times=1_000) < 50e-6
