"""What tests of the doctor share: finding one of its findings."""

from __future__ import annotations

from countercache.model.results import Finding, Health


def of(findings: list[Finding] | tuple[Finding, ...], subject: str) -> Finding:
    """The one finding on a subject."""
    (found,) = (each for each in findings if each.subject == subject)
    return found


def wrong(findings: list[Finding]) -> set[str]:
    """The subjects that are not well."""
    return {each.subject for each in findings if each.health is not Health.OK}
