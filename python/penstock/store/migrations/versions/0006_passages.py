"""Sessions: what left by the forward proxy"""

from alembic import op
import sqlalchemy as sa

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('target', sa.String(length=260), nullable=True))
        batch_op.add_column(sa.Column('rule', sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column('verdict', sa.String(length=16), nullable=True))
        batch_op.create_index('ix_sessions_type', ['type', 'started_at', 'id'], unique=False)


def downgrade() -> None:
    # An older release does not know the type.
    op.execute("DELETE FROM sessions WHERE type = 'egress'")
    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.drop_index('ix_sessions_type')
        batch_op.drop_column('verdict')
        batch_op.drop_column('rule')
        batch_op.drop_column('target')
