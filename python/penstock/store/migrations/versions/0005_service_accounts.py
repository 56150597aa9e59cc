"""Service accounts: what is known of users that are programs"""

from alembic import op
import sqlalchemy as sa

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('service_accounts',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('disabled', sa.Boolean(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['id'], ['users.id'], name=op.f('fk_service_accounts_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_accounts'))
    )


def downgrade() -> None:
    # Without it they would be users.
    op.execute('DELETE FROM users WHERE id IN (SELECT id FROM service_accounts)')
    op.drop_table('service_accounts')
