"""Certificates: which agent's they are, and which are revoked"""

from alembic import op
import sqlalchemy as sa

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('agent_certificate_names',
    sa.Column('name', sa.String(length=253), nullable=False),
    sa.Column('agent_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['agent_id'], ['agents.id'], name=op.f('fk_agent_certificate_names_agent_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_agent_certificate_names'))
    )
    with op.batch_alter_table('agent_certificate_names', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_agent_certificate_names_agent_id'), ['agent_id'], unique=False)

    op.create_table('revoked_certificates',
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=253), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('revoked_at', sa.BigInteger(), nullable=False),
    sa.Column('revoked_by', sa.String(length=254), nullable=False),
    sa.PrimaryKeyConstraint('fingerprint', name=op.f('pk_revoked_certificates'))
    )
    # The agent of the gateway's own process has no certificate.
    op.execute("INSERT INTO agent_certificate_names (name, agent_id) SELECT name, id FROM agents WHERE name <> 'local'")


def downgrade() -> None:
    op.drop_table('revoked_certificates')
    with op.batch_alter_table('agent_certificate_names', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_agent_certificate_names_agent_id'))

    op.drop_table('agent_certificate_names')
