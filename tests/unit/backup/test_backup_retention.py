"""What retention must never remove, whatever there is and whatever the clock says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from pgkeel.backup.retention import Decision, Kept, Policy, decide

NOW = datetime(2026, 3, 15, 3, 0, tzinfo=UTC)


def backup(age_days: float, *, proved: bool = False, name: str = "") -> Kept:
    return Kept(name or f"{age_days}", NOW - timedelta(days=age_days), NOW if proved else None)


@st.composite
def shelves(draw: st.DrawFn) -> list[Kept]:
    ages = draw(st.lists(st.floats(-5, 800), max_size=60))
    return [backup(age, proved=draw(st.booleans()), name=f"{number}") for number, age in enumerate(ages)]


POLICIES = st.builds(
    Policy,
    days=st.integers(1, 400),
    weekly=st.integers(0, 10),
    monthly=st.integers(0, 13),
    floor=st.integers(1, 8),
    most_removed=st.integers(0, 12),
)


def removed(decisions: list[Decision]) -> list[Kept]:
    return [decision.backup for decision in decisions if not decision.reasons]


@given(shelves(), POLICIES)
def test_the_promises(backups: list[Kept], policy: Policy) -> None:
    decisions = decide(backups, NOW, policy)
    gone = removed(decisions)
    assert sorted(decision.backup.run_id for decision in decisions) == sorted(found.run_id for found in backups)
    assert len(gone) <= policy.most_removed
    by_age = sorted(backups, key=lambda found: (found.snapshot_time, found.run_id), reverse=True)
    assert not set(gone) & set(by_age[: max(1, policy.floor)])
    assert not set(gone) & set([found for found in by_age if found.proved][:1])
    assert all(NOW - found.snapshot_time > timedelta(days=policy.days) for found in gone)
    kept = [decision.backup for decision in decisions if decision.reasons]
    assert all(any(other.snapshot_time >= found.snapshot_time for other in kept) for found in gone)


@given(shelves(), POLICIES)
def test_repeating_converges_and_the_order_does_not_matter(backups: list[Kept], policy: Policy) -> None:
    assert decide(backups, NOW, policy) == decide(reversed(backups), NOW, policy)
    left, rounds = backups, 0
    while gone := removed(decide(left, NOW, policy)):
        left = [found for found in left if found not in gone]
        rounds += 1
        assert rounds <= len(backups)
    assert all(not found.reasons or "later run" not in " ".join(found.reasons) for found in decide(left, NOW, policy)) or (
        policy.most_removed == 0
    )


@given(shelves(), POLICIES, st.integers(1, 13))
def test_keeping_more_never_removes_more(backups: list[Kept], policy: Policy, more: int) -> None:
    generous = Policy(policy.days + more, policy.weekly + more, policy.monthly + more, policy.floor + more, 10_000)
    strict = Policy(policy.days, policy.weekly, policy.monthly, policy.floor, 10_000)
    assert set(removed(decide(backups, NOW, generous))) <= set(removed(decide(backups, NOW, strict)))


def test_thirty_days_of_daily_backups() -> None:
    gone = removed(decide([backup(age) for age in range(40)], NOW, Policy()))
    assert [found.run_id for found in gone] == [f"{age}" for age in range(31, 40)]


def test_the_oldest_go_first_and_the_rest_says_why_it_stays() -> None:
    decisions = decide([backup(age) for age in range(60)], NOW, Policy(most_removed=2))
    assert [found.run_id for found in removed(decisions)] == ["58", "59"]
    assert next(decision for decision in decisions if decision.backup.run_id == "57").reasons == (
        "a later run removes it: 2 at a time",
    )


def test_the_only_proved_one_stays_however_old() -> None:
    decisions = decide([backup(0), backup(1), backup(2), backup(700, proved=True), backup(600)], NOW, Policy())
    assert [found.run_id for found in removed(decisions)] == ["600"]


def test_weeks_and_months() -> None:
    decisions = decide([backup(age) for age in range(200)], NOW, Policy(days=7, weekly=4, monthly=3, most_removed=1000))
    kept = {decision.backup.run_id: decision.reasons for decision in decisions if decision.reasons}
    # 15 March 2026 is a Sunday; weeks end with it.
    assert [name for name in kept if int(name) > 7] == ["14", "15", "21", "43"]
    assert kept["14"] == ("the newest of week 2026-W09",) or kept["14"] == ("the newest of week 2026-W10",)
