"""The control store: who may do what, and who did what. SQLite beside the facts, apart from them.

A damaged or busy facts file takes nobody's login or audit trail with it.
"""

from sessionmill.store.control.audit_log import AuditLog, AuditRow
from sessionmill.store.control.database import Control
from sessionmill.store.control.tokens import Actor, Token, Tokens
from sessionmill.store.control.users import ROLES, User, Users, UserUnknown

__all__ = [
    "ROLES",
    "Actor",
    "AuditLog",
    "AuditRow",
    "Control",
    "Token",
    "Tokens",
    "User",
    "UserUnknown",
    "Users",
]
