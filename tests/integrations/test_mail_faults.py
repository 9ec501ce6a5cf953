"""Fifty mails through services at their worst."""

from trials.mail_faults import run


async def test_every_approver_gets_a_mail_whatever_the_services_do():
    """At least one, at most one more for each answer that was lost; no release fails for it, and SMTP steps in."""
    verdict = await run(seed=1, mails=50)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired
