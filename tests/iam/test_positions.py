"""Where the policy simulator says that a statement stands."""

from __future__ import annotations

import pytest

from forecourt.services.iam.positions import positions

LISTED = """{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "codecommit:ListRepositories",
            "Resource": "[{\\"Statement\\""
        },
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    ]
}"""
SINGLE = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":'
    '{"DateGreaterThan":{"aws:CurrentTime":"2015-08-16T12:00:00Z"}}}}'
)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        # As the pages of AWS's command line show them
        (SINGLE, [((1, 38), (1, 167))]),
        (LISTED, [((3, 19), (8, 10)), ((8, 10), (9, 62))]),
        ('{"Statement": []}', []),
        ('{"Version": "2012-10-17"}', []),
        ("no policy", []),
        ("", []),
    ],
    ids=["single", "listed", "empty", "without", "text", "nothing"],
)
def test_positions(document: str, expected: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    found = positions(document)
    assert [tuple((place["Line"], place["Column"]) for place in span) for span in found] == expected
