"""Sessions: what is not in their recording"""

from alembic import op
import sqlalchemy as sa

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('gap_since', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('gap_events', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('gap_reason', sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.drop_column('gap_reason')
        batch_op.drop_column('gap_events')
        batch_op.drop_column('gap_since')
