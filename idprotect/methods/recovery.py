"""Recovery codes: look-up secrets for the day the phone is gone. Each works once; only hashes are kept."""

import secrets

from sqlalchemy import delete, func, select, update

from idprotect import clock
from idprotect.keys import sha256
from idprotect.models import RecoveryCode, User, rows_changed, session

ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
CODES, GROUPS, GROUP_LENGTH = 10, 3, 5  # 15 of 30 letters: 73 bits each


def replace(user: User) -> list[str]:
    """Make new codes, which replace the old ones; they can be shown this once."""
    session().execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = ["-".join(_group() for _ in range(GROUPS)) for _ in range(CODES)]
    session().add_all(RecoveryCode(code_hash=_hash(user.id, code), user_id=user.id) for code in codes)
    return codes


def use(user_id: str, code: str) -> bool:
    """Use a code up by one conditional write; return whether it was there."""
    unused = (RecoveryCode.code_hash == _hash(user_id, code), RecoveryCode.used_at.is_(None))
    return rows_changed(update(RecoveryCode).where(*unused).values(used_at=clock.now())) == 1


def left(user_id: str) -> int:
    """Return how many codes can still be used."""
    statement = select(func.count()).select_from(RecoveryCode)
    unused = (RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return session().scalar(statement.where(*unused)) or 0


def _group() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH))


def _hash(user_id: str, code: str) -> str:
    letters = "".join(c for c in code.upper() if c.isalnum())
    return sha256(f"{user_id}:{letters}")
