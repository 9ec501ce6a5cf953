"""People and what approvals need.

Revision 0002, after 0001.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BATCH = 500

_approvals = sa.table(
    "approvals",
    sa.column("id", sa.String),
    sa.column("deployment", sa.String),
    sa.column("release", sa.String),
    sa.column("pipeline", sa.String),
    sa.column("stage", sa.String),
    sa.column("approval", sa.JSON),
)


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_people")),
    )
    op.create_table(
        "person_aliases",
        sa.Column("alias", sa.String(length=320), nullable=False),
        sa.Column("person", sa.String(length=320), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.address"], name=op.f("fk_person_aliases_person")),
        sa.PrimaryKeyConstraint("alias", name=op.f("pk_person_aliases")),
    )
    with op.batch_alter_table("person_aliases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_person_aliases_person"), ["person"], unique=False)

    with op.batch_alter_table("approval_links", schema=None) as batch_op:
        batch_op.add_column(sa.Column("round", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("level", sa.String(length=10), server_default="link", nullable=False))
        batch_op.add_column(sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("wrong_codes", sa.Integer(), server_default="0", nullable=False))

    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.add_column(sa.Column("release", sa.String(length=100), server_default="", nullable=False))
        batch_op.add_column(sa.Column("pipeline", sa.String(length=63), server_default="", nullable=False))
        batch_op.add_column(sa.Column("stage", sa.String(length=63), server_default="", nullable=False))
        batch_op.drop_index(batch_op.f("ix_approvals_verdict"))
        batch_op.create_index("ix_approvals_by_age", ["opened_at", "id"], unique=False)
        batch_op.create_index("ix_approvals_by_verdict", ["verdict", "opened_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_approvals_pipeline"), ["pipeline"], unique=False)
        batch_op.create_index(batch_op.f("ix_approvals_release"), ["release"], unique=False)

    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
        batch_op.alter_column(
            "kind", existing_type=sa.String(length=40), type_=sa.String(length=400), existing_nullable=False
        )

    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.add_column(sa.Column("owner", sa.String(length=320), nullable=True))

    _rewrite_approvals(_vote_as_action)
    op.execute(
        "INSERT INTO approvers (approval_id, person, approver, is_asked) "
        "SELECT approval_id, approver, approver, MAX(CASE WHEN is_asked THEN 1 ELSE 0 END) = 1 "
        "FROM approvers WHERE approver LIKE 'group:%' GROUP BY approval_id, approver"
    )


def downgrade() -> None:
    op.execute("DELETE FROM approvers WHERE person LIKE 'group:%'")
    _rewrite_approvals(_action_as_vote)

    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.drop_column("owner")

    op.execute("DELETE FROM deliveries WHERE LENGTH(kind) > 40")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.alter_column(
            "kind", existing_type=sa.String(length=400), type_=sa.String(length=40), existing_nullable=False
        )
        batch_op.drop_column("tries")

    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_approvals_release"))
        batch_op.drop_index(batch_op.f("ix_approvals_pipeline"))
        batch_op.drop_index("ix_approvals_by_verdict")
        batch_op.drop_index("ix_approvals_by_age")
        batch_op.create_index(batch_op.f("ix_approvals_verdict"), ["verdict"], unique=False)
        batch_op.drop_column("stage")
        batch_op.drop_column("pipeline")
        batch_op.drop_column("release")

    with op.batch_alter_table("approval_links", schema=None) as batch_op:
        batch_op.drop_column("wrong_codes")
        batch_op.drop_column("revoked_at")
        batch_op.drop_column("level")
        batch_op.drop_column("round")

    with op.batch_alter_table("person_aliases", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_person_aliases_person"))

    op.drop_table("person_aliases")
    op.drop_table("people")


def _rewrite_approvals(rewritten: Any) -> None:
    """Fill in where each approval belongs, and spell its votes as this version (or the one before) reads them."""
    connection = op.get_bind()
    for approval_id, deployment, approval in _in_batches(connection):
        pipeline, number, stage, _ = deployment.split("/")
        votes = [counted | {"vote": rewritten(counted["vote"])} for counted in approval.get("votes", [])]
        connection.execute(
            sa.update(_approvals)
            .where(_approvals.c.id == approval_id)
            .values(
                release=f"{pipeline}/{number}", pipeline=pipeline, stage=stage, approval=approval | {"votes": votes}
            )
        )


def _in_batches(connection: sa.Connection) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """All approvals by id, of which no more than a batch is in memory."""
    columns = (_approvals.c.id, _approvals.c.deployment, _approvals.c.approval)
    last = ""
    while rows := connection.execute(
        sa.select(*columns).where(_approvals.c.id > last).order_by(_approvals.c.id).limit(_BATCH)
    ).all():
        yield from (tuple(row) for row in rows)
        last = rows[-1].id


def _vote_as_action(vote: dict[str, Any]) -> dict[str, Any]:
    proof = "link" if vote.get("channel") == "link" else "login"
    left = {name: value for name, value in vote.items() if name not in {"vote_id", "voter"}}
    return {"action_id": vote.get("vote_id", ""), "by": vote.get("voter", ""), "proof": proof} | left


def _action_as_vote(action: dict[str, Any]) -> dict[str, Any]:
    left = {name: value for name, value in action.items() if name not in {"action_id", "by"}}
    return {"vote_id": action.get("action_id", ""), "voter": action.get("by", "")} | left
