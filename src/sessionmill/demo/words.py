"""What the generated team says, runs and reads: all of it made up here."""

from sessionmill.demo.dice import Dice

# fmt: off
NAMES = (
    "alice", "bruno", "chen", "dalia", "emil", "farah", "goran", "hanna", "ines", "jonas", "kofi",
    "lena", "marco", "nadia", "oskar", "priya", "quentin", "rosa", "samir", "tilda", "umar", "vera",
    "wanda", "ximena", "yusuf", "zofia", "anton", "berta", "carlos", "dora", "erik", "fatima",
    "gustav", "hilde", "ivan", "jana", "karim", "lucia", "milan", "noor",
)
# fmt: on
PROJECTS = ("shop", "billing", "mobile-app", "warehouse", "website", "infra")
BRANCHES = ("main", "main", "fix/rounding", "feature/vouchers", "")

PROMPTS = (
    "The invoice total is off by one cent when a voucher is used. Find out why and fix it.",
    "Add a test for an order without lines.",
    "Why is the nightly export so slow? Measure before you change anything.",
    "Rename `Basket` to `Cart` everywhere, the API included.",
    'The login page flickers on Firefox, see the attached log: "layout forced before load".',
    "Write the migration that splits the address into street, number and city.",
    "Make the error message say which file could not be read.",
    "Überprüfe bitte die deutschen Texte auf der Bezahlseite.",
    "Update the dependencies, one commit each, and run the tests in between.",
    "Which endpoints have no rate limit? List them, change nothing.",
    "Cache the exchange rates for an hour.",
    "The build is red since this morning. 🔥 Please look at it first.",
)
CORRECTIONS = (
    "No, not npm: this repository uses pnpm.",
    "Amounts are always kept in cents, never as a float.",
    "That's wrong, the staging database is read-only for us.",
    "Stop. A release branch is cut from main, never from develop.",
    "Yes, exactly: a refund is an order line with a negative quantity.",
)
ANSWERS = (
    "The rounding happens twice: once per line and once on the sum. I will keep the second.",
    "Done. The tests pass, and I left the public names as they were.",
    "I found three callers. Two of them can go, the third needs the old behaviour.",
    "Let me look at how the cart is loaded first.",
    "The query reads every row because the index has the columns the other way round.",
    "Here is the plan:\n\n1. add the column\n2. fill it in batches\n3. drop the old one",
)
COMMANDS = (
    "make test",
    "git status --short && git diff --stat",
    "rg -n 'total' src | head -40",
    "pnpm run build",
    "pytest -q tests/test_cart.py",
    "psql -c 'EXPLAIN ANALYZE SELECT * FROM orders'",
    "FOO=1 sudo docker compose up -d db",
)
FILES = ("src/cart.py", "src/orders/export.py", "web/login.tsx", "db/0042_address.sql", "README.md")
SKILLS = ("commit", "code-review", "superpowers:writing-plans", "docs-kit:changelog")
MCP_TOOLS = (
    ("github", "create_issue"),
    ("postgres", "query"),
    ("browser", "navigate"),
    ("plugin_docs-kit_search", "find_page"),
)
AGENTS = ("Explore", "general-purpose", "docs-kit:reviewer")
CUSTOM_COMMANDS = ("/release", "/docs-kit:changelog")
BUILT_IN_COMMANDS = ("/clear", "/model", "/compact", "/context")

_CODE = (
    "def total(lines: list[Line], voucher: Voucher | None = None) -> Cents:",
    "    return sum(round(line.price * line.quantity) for line in lines)",
    "class Cart:",
    '    """What a customer is about to buy."""',
    "    def add(self, article: Article, quantity: int = 1) -> None:",
    '        raise ValueError(f"no such article: \\"{article.number}\\"")',
    "SELECT o.id, sum(l.price * l.quantity) AS total FROM orders o JOIN lines l USING (id)",
    "PASS tests/test_cart.py::test_a_voucher_is_rounded_once (0.03s)",
    "WARN  export: 1,204 orders took 8.1s; the index on (customer, placed_at) was not used",
    "  <Button onClick={() => submit({ user, 'remember': true })}>Log in</Button>",
    '{"status": 200, "items": [{"sku": "A-17", "qty": 2}], "next": null}',
    "",
)


def listing(dice: Dice, size: int) -> str:
    """Make up what a tool prints: numbered lines of code and logs, `size` characters or so."""
    lines = []
    number = dice.number(1, 400)
    while size > 0:
        line = f"{number:6}→{dice.choice(_CODE)}"
        lines.append(line)
        size -= len(line) + 1
        number += 1
    return "\n".join(lines)
