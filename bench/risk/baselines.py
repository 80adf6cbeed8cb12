"""Engines of the literature, and a rule that many products have, to compare with.

Each learns from sign-ins that were let in, and keeps everything it learnt. None knows user risk.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from math import log
from time import process_time
from typing import Any

from bench.risk.systems import Answer
from idprotect.user_agents import read

Event = dict[str, Any]
NOT_KNOWN = -1
LET_IN = ("success", "challenge_passed")
MEDIUM, HIGH = 2, 3


class Baseline:
    """One engine; a subclass says what it scores and remembers.

    :cvar medium, high: the scores from which on it challenges and blocks.
    """

    name = ""
    medium = 1.0
    high = 2.0

    def __init__(self) -> None:
        self.cpu = 0.0

    def score(self, event: Event) -> float:
        """Return how risky an attempt is."""
        raise NotImplementedError

    def learn(self, event: Event, outcome: Event) -> None:
        """Remember a sign-in that was let in."""
        raise NotImplementedError

    def assess(self, event: Event) -> Answer:
        """Judge an attempt."""
        began = process_time()
        score = self.score(event)
        self.cpu += process_time() - began
        return score, HIGH if score >= self.high else MEDIUM if score >= self.medium else 0, [], NOT_KNOWN

    def outcome(self, event: Event, outcome: Event) -> None:
        """Say what came of it."""
        began = process_time()
        if event["user"] is not None and outcome["result"] in LET_IN:
            self.learn(event, outcome)
        self.cpu += process_time() - began

    def feedback(self, verdict: Event) -> None:
        """None of them takes verdicts."""


class Simple(Baseline):
    """SIMPLE (Wiefling et al., FC 2021): which of address and user agent was never seen of the user."""

    name = "SIMPLE"
    medium, high = 2.0, 3.0

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, set[str]] = defaultdict(set)

    def score(self, event: Event) -> float:
        seen = self._seen.get(event["user"] or "")
        return float(sum(event[what] not in seen for what in ("ip", "ua"))) if seen else 0.0

    def learn(self, event: Event, outcome: Event) -> None:
        self._seen[event["user"]] |= {event["ip"], event["ua"]}


class NewDeviceOrCountry(Baseline):
    """A cookie that the user is not known by counts 1, a country 2."""

    name = "new device or country"
    medium, high = 2.0, 3.0

    def __init__(self) -> None:
        super().__init__()
        self._devices: dict[str, set[str]] = defaultdict(set)
        self._countries: dict[str, set[str]] = defaultdict(set)

    def score(self, event: Event) -> float:
        user = event["user"] or ""
        if user not in self._countries:
            return 0.0
        is_new_device = event["device_cookie"] not in self._devices[user]
        return is_new_device + 2.0 * (event["country"] not in self._countries[user])

    def learn(self, event: Event, outcome: Event) -> None:
        self._countries[event["user"]].add(event["country"])
        for cookie in (event["device_cookie"], outcome.get("device_cookie")):
            if cookie is not None:
                self._devices[event["user"]].add(cookie)


#: Levels of a feature, finest first, with the weights of Wiefling et al., ACM TOPS 2022.
ADDRESS = (0.6, 0.3, 0.1)
BROWSER = (0.5386653840551359, 0.2680451498625666, 0.18818295100109536, 0.0051065150812019)


def _address(event: Event) -> tuple[str, ...]:
    return event["ip"], str(event["asn"]), event["country"] or ""


def _browser(event: Event) -> tuple[str, ...]:
    agent = event["ua"] or ""
    claimed = read(agent)
    return agent, f"{claimed.family} {claimed.version}", claimed.system, claimed.kind


class Feature:
    """One feature with its levels: how often each value was seen, of all and of each user."""

    def __init__(self, weights: tuple[float, ...]) -> None:
        self.weights = weights
        self.all = [Counter[str]() for _ in weights]
        self.of: dict[str, list[Counter[str]]] = defaultdict(lambda: [Counter() for _ in weights])

    def learn(self, user: str, values: Iterable[str]) -> None:
        for level, value in enumerate(values):
            self.all[level][value] += 1
            self.of[user][level][value] += 1

    def log_ratio(self, user: str, values: tuple[str, ...], total: int, users_total: int) -> float:
        """Return log p(x) / p(x|user): suspicious is what everybody has and the user has not."""
        unseen = sum(len(counter) for counter in self.all[1:]) + 1
        everyone = self.weights[0] * (self.all[0][values[0]] or 1) / (total + unseen)
        own = self.of[user]
        mine = 0.0
        for level, (weight, value) in enumerate(zip(self.weights, values, strict=True)):
            everyone += weight * self.all[level][value] / total if level else 0.0
            mine += weight * own[level][value] / users_total
        return log(everyone / (mine or everyone / 4))


class Extend(Baseline):
    """Freeman et al. (NDSS 2016) with the features, hierarchy and weights of TOPS 2022 (EXTEND)."""

    name = "Freeman / EXTEND"
    medium, high = 1.0, 5.0

    def __init__(self) -> None:
        super().__init__()
        self._features = ((_address, Feature(ADDRESS)), (_browser, Feature(BROWSER)))
        self._sign_ins: Counter[str] = Counter()
        self._total = 0

    def score(self, event: Event) -> float:
        user = event["user"] or ""
        mine = self._sign_ins[user]
        if not mine:
            return 0.0
        total = self._total
        score = log(total / mine / len(self._sign_ins))
        for values, feature in self._features:
            score += feature.log_ratio(user, values(event), total, mine)
        return score

    def learn(self, event: Event, outcome: Event) -> None:
        self._sign_ins[event["user"]] += 1
        self._total += 1
        for values, feature in self._features:
            feature.learn(event["user"], values(event))


BASELINES = (Simple, Extend, NewDeviceOrCountry)
