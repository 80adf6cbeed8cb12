"""Named locations as a form: networks and countries, problems by line, the guards of what is trusted or used."""

from typing import Any

import pytest

from idprotect import policies
from idprotect.models import PolicyVersion
from tests.admin.conftest import Enter
from tests.admin.test_policy_form import REASON, in_force, put_into_force, send
from tests.security.place import Place

OFFICE = '[[location]]\nname = "office"\nnetworks = ["192.0.2.0/24"]\ntrusted = true\n'
ABROAD = '[[location]]\nname = "abroad"\ncountries = ["FR", "unknown"]\n'
NAMING = '[[policy]]\nname = "x"\nwhen = { locations = ["abroad"] }\nthen = { require = ["mfa"] }\n'


def test_networks_and_countries_get_a_name(place: Place, enter: Enter) -> None:
    """F055: IPv4 and IPv6, countries, and unknown as a choice of its own; each kind matches."""
    visitor = enter("policy_editor")
    networks = "192.0.2.0/24\r\n\r\n2001:db8::/32\r\n198.51.100.7"
    put_into_force(visitor.get("/admin/locations/new"), name="office", networks=networks, trusted="y")
    assert visitor.path == "/admin/locations/"
    put_into_force(visitor.get("/admin/locations/new"), name="abroad", countries="fr, Unknown")
    assert "192.0.2.0/24, 198.51.100.7/32, 2001:db8::/32" in visitor.text
    assert "FR, unknown" in visitor.text
    with place.app.app_context():
        force = policies.current()
    assert force.locations_of("192.0.2.9", "CH") == {"office"}
    assert force.locations_of("2001:db8::1", "FR") == {"office", "abroad"}
    assert force.locations_of("203.0.113.1", None) == {"abroad"}
    assert force.trusted_location("198.51.100.7") == "office"


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        (
            {"networks": "192.0.2.0/24\r\n\r\n10.0.0.1/8\r\nnowhere"},
            "networks",
            ("Line 3: &#39;10.0.0.1/8&#39; is not a network", "Line 4: &#39;nowhere&#39; is not a network"),
        ),
        ({"countries": "CH Mars"}, "countries", ("has no choice &#39;mars&#39;",)),
        ({"countries": "CH", "trusted": "y"}, "trusted", ("cannot be trusted",)),
        ({"name": "office", "networks": "192.0.2.0/24"}, "name", ("two entries of kind location",)),
    ],
)
def test_what_is_wrong_is_said_line_by_line(
    place: Place, enter: Enter, typed: dict[str, Any], field: str, said: tuple[str, ...]
) -> None:
    """F055: nothing typed is lost, and nothing comes into force."""
    place.apply(OFFICE)
    visitor = enter().get("/admin/locations/new")
    send(visitor, **{"name": "new", **typed})
    assert visitor.status == 400
    beside = visitor.page.text.partition(f'id="{field}-error"')[2].partition("</div>")[0]
    for words in said:
        assert words in beside, visitor.page.text
    if "networks" in typed:
        assert typed["networks"].split()[-1] in visitor.page.text
    assert len(place.rows(PolicyVersion)) == 1


def test_a_location_is_changed(place: Place, enter: Enter) -> None:
    """F055: the rest of the document stays as it is."""
    place.apply(NAMING, ABROAD, OFFICE)
    before = in_force(place)
    put_into_force(enter().get("/admin/locations/one?name=abroad"), countries="IT")
    after = in_force(place)
    assert after["location"] == [{"name": "abroad", "countries": ["IT"]}, before["location"][1]]
    assert after["policy"] == before["policy"]


def test_what_is_trusted_or_used_is_not_removed(place: Place, enter: Enter) -> None:
    """F056: deleting a trusted or used location is refused, with the reason; renaming it is deleting it, too."""
    place.apply(NAMING, ABROAD, OFFICE)
    visitor = enter()
    assert visitor.get("/admin/locations/").text.count("Remove ") == 0
    assert "no location is called" in visitor.get("/admin/locations/remove?name=abroad").text
    visitor.get("/admin/locations/remove?name=office").submit({"reason": REASON})
    assert visitor.status == 400
    assert "take &#39;trusted&#39; from it" in visitor.page.text
    visitor.get("/admin/locations/one?name=office")
    send(visitor, name="bureau")
    send(visitor, "save", reason=REASON)
    assert visitor.status == 400
    assert "take &#39;trusted&#39; from it" in visitor.page.text
    assert len(place.rows(PolicyVersion)) == 1
    place.apply(OFFICE.replace("true", "false"))
    visitor.get("/admin/locations/remove?name=office").submit({"reason": REASON})
    assert in_force(place)["location"] == []
