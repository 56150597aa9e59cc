"""Published apps: their routes, their workers' certificates, and who may enter"""

from alembic import op
import sqlalchemy as sa

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('apps',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('identify', sa.Boolean(), nullable=False),
    sa.Column('selector', sa.String(length=128), nullable=False),
    sa.Column('timeout_seconds', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_apps')),
    sa.UniqueConstraint('name', name=op.f('uq_apps_name'))
    )
    op.create_table('app_routes',
    sa.Column('host', sa.String(length=253), nullable=False),
    sa.Column('path', sa.String(length=512), nullable=False),
    sa.Column('app_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['app_id'], ['apps.id'], name=op.f('fk_app_routes_app_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('host', 'path', name=op.f('pk_app_routes'))
    )
    with op.batch_alter_table('app_routes', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_app_routes_app_id'), ['app_id'], unique=False)

    op.create_table('app_workers',
    sa.Column('name', sa.String(length=253), nullable=False),
    sa.Column('app_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['app_id'], ['apps.id'], name=op.f('fk_app_workers_app_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_app_workers'))
    )
    with op.batch_alter_table('app_workers', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_app_workers_app_id'), ['app_id'], unique=False)

    op.create_table('app_access',
    sa.Column('app_id', sa.String(length=36), nullable=False),
    sa.Column('group_name', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['app_id'], ['apps.id'], name=op.f('fk_app_access_app_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('app_id', 'group_name', name=op.f('pk_app_access'))
    )


def downgrade() -> None:
    op.drop_table('app_access')
    for name in ('app_workers', 'app_routes'):
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.drop_index(batch_op.f(f'ix_{name}_app_id'))

        op.drop_table(name)
    op.drop_table('apps')
