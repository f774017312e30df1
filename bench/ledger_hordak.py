"""django-hordak's own work, run by the Python of its venv: `ledger_hordak.py URL SECONDS`.

20 clients in two processes, each transaction two legs over two of 1,000 accounts, in `atomic`; then bulks of 1,000
through Django's `bulk_create`. Its triggers and constraints are on, as its migrations make them.
"""

import multiprocessing
import random
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

ACCOUNTS = 1_000
NAME = "hordak"


def set_up(url: str, name: str) -> None:
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": parts.username or query.get("user", [""])[0],
        "PASSWORD": parts.password or "",
        "HOST": query.get("host", [parts.hostname or ""])[0],
        "PORT": query.get("port", [str(parts.port or "")])[0],
    }
    settings.configure(
        DATABASES={"default": database},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "mptt", "hordak"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        SECRET_KEY="bench",
        DEFAULT_CURRENCY="INR",
        HORDAK_DEFAULT_CURRENCY="INR",
        HORDAK_CURRENCIES=["INR"],
        LOGGING_CONFIG=None,
    )
    django.setup()


def legs(transaction: object, accounts: list[int]) -> list[object]:
    from hordak.models import Leg
    from moneyed import Money

    first, second = random.sample(accounts, 2)
    if hasattr(Leg, "debit"):
        return [
            Leg(transaction=transaction, account_id=first, debit=Money(1, "INR")),
            Leg(transaction=transaction, account_id=second, credit=Money(1, "INR")),
        ]
    return [
        Leg(transaction=transaction, account_id=first, amount=Money(-1, "INR")),
        Leg(transaction=transaction, account_id=second, amount=Money(1, "INR")),
    ]


def single(accounts: list[int]) -> int:
    from django.db import transaction
    from hordak.models import Transaction

    with transaction.atomic():
        for leg in legs(Transaction.objects.create(), accounts):
            leg.save()  # type: ignore[attr-defined]
    return 1


def bulk(accounts: list[int]) -> int:
    from django.db import transaction
    from hordak.models import Leg, Transaction

    with transaction.atomic():
        made = Transaction.objects.bulk_create([Transaction() for _ in range(1_000)])
        Leg.objects.bulk_create([leg for one in made for leg in legs(one, accounts)])
    return 1_000


def clients(url: str, seconds: float, threads: int, accounts: list[int], done: "multiprocessing.Queue[int]") -> None:
    set_up(url, NAME)
    counts = [0] * threads
    end = time.monotonic() + seconds

    def work(place: int) -> None:
        while time.monotonic() < end:
            counts[place] += single(accounts)

    running = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    done.put(sum(counts))


def prepare(url: str) -> None:
    """Make the database and its accounts, unless an earlier round has."""
    import psycopg
    from django.core.management import call_command

    with psycopg.connect(url, autocommit=True) as admin:
        if admin.execute("SELECT FROM pg_database WHERE datname = %s", [NAME]).fetchone() is None:
            admin.execute(f"CREATE DATABASE {NAME}")
    set_up(url, NAME)
    call_command("migrate", verbosity=0)
    from hordak.models import Account

    if Account.objects.count() < ACCOUNTS:
        kind = getattr(getattr(Account, "TYPES", None), "asset", None) or "AS"
        for number in range(ACCOUNTS):
            Account.objects.create(name=f"account {number}", code=str(number), type=kind, currencies=["INR"])


def main() -> None:
    url, seconds = sys.argv[1], float(sys.argv[2])
    prepare(url)
    from hordak.models import Account

    accounts = list(Account.objects.values_list("id", flat=True))
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    running = [context.Process(target=clients, args=(url, seconds, 10, accounts, done)) for _ in range(2)]
    for one in running:
        one.start()
    found = sum(done.get() for _ in running) / seconds
    for one in running:
        one.join()
    print(f"20 clients={found:.1f}")
    count, started = 0, time.monotonic()
    while time.monotonic() < started + seconds:
        count += bulk(accounts)
    print(f"bulk of 1,000={count / (time.monotonic() - started):.1f}")


if __name__ == "__main__":
    main()
