"""``replay --stored``: the sign-ins that a server has, judged again."""

import json
from pathlib import Path

from idprotect.models import SignIn, session
from tests.support.world import SIGN_IN_RISK_BLOCK, TOR_ADDRESS, World


def test_stored_sign_ins_are_judged_again_and_a_draft_is_tried_on_them(world: World, tmp_path: Path) -> None:
    """F054: each, good or bad, as it was known then; the levels are those that the live path gave."""
    world.make_user()
    world.list_address(TOR_ADDRESS)
    world.browser().start().sign_in("ada")
    world.clock.move(days=1)
    world.browser().start().sign_in("ada", "wrong")
    world.clock.move(days=1)
    world.browser(TOR_ADDRESS).start().sign_in("ada")
    draft = tmp_path / "draft.toml"
    draft.write_text(SIGN_IN_RISK_BLOCK)

    result = world.cli("replay", "--stored", "--policies", str(draft))
    assert result.exit_code == 0, result.output
    said = [json.loads(line) for line in result.stdout.splitlines()]
    with world.arranging():
        rows = session().query(SignIn).order_by(SignIn.signed_in_at).all()
        stored = [(row.id, row.risk.label) for row in rows]
    assert [answer["event_id"] for answer in said] == [sign_in for sign_in, _ in stored]
    right = [number for number, row in enumerate(said) if "outcome" in row]
    assert right == [0, 2], "a wrong password asks for no access"
    assert [said[number]["level"] for number in right] == [stored[number][1] for number in right]
    assert [said[number]["outcome"] for number in right] == ["allowed", "blocked"]
    assert json.loads(result.stderr.splitlines()[-1])["policies"]["users_stopped"] == 1
