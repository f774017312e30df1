"""Channels: every way to reach a person, what they agreed to, what they write to us, and conversations."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE channels.chat_contacts (
            id uuid CONSTRAINT pk_chat_contacts PRIMARY KEY,
            provider text NOT NULL CONSTRAINT ck_chat_contacts_provider
                CHECK (provider IN ('whatsapp', 'twilio', 'simulator')),
            account text NOT NULL,
            phone text,
            user_id text,
            name text NOT NULL,
            person_id uuid,
            locale text NOT NULL,
            last_inbound_at timestamptz,
            created_at timestamptz NOT NULL,
            CONSTRAINT ck_chat_contacts_reachable CHECK (phone IS NOT NULL OR user_id IS NOT NULL),
            CONSTRAINT uq_chat_contacts_provider_account_phone UNIQUE (provider, account, phone),
            CONSTRAINT uq_chat_contacts_provider_account_user_id UNIQUE (provider, account, user_id)
        );
        CREATE INDEX ix_chat_contacts_person_id ON channels.chat_contacts (person_id);
        CREATE INDEX ix_chat_contacts_phone ON channels.chat_contacts (phone);

        ALTER TABLE channels.messages
            DROP CONSTRAINT ck_messages_channel,
            DROP CONSTRAINT ck_messages_status,
            ADD CONSTRAINT ck_messages_channel CHECK (channel IN ('email', 'sms', 'whatsapp', 'push', 'in_app')),
            ADD CONSTRAINT ck_messages_status
                CHECK (status IN ('queued', 'unknown', 'sent', 'delivered', 'read', 'failed')),
            ADD COLUMN person_id uuid,
            ADD COLUMN contact_id uuid CONSTRAINT fk_messages_contact_id_chat_contacts
                REFERENCES channels.chat_contacts ON DELETE CASCADE,
            ADD COLUMN purpose text NOT NULL DEFAULT 'transactional',
            ADD COLUMN fallbacks text[] NOT NULL DEFAULT '{}',
            ADD COLUMN when_unknown text NOT NULL DEFAULT 'leave',
            ADD COLUMN instead_of uuid CONSTRAINT uq_messages_instead_of UNIQUE,
            ADD COLUMN after_id uuid,
            ADD CONSTRAINT ck_messages_purpose CHECK (purpose IN ('transactional', 'marketing')),
            ADD CONSTRAINT ck_messages_when_unknown CHECK (when_unknown IN ('leave', 'resend', 'look_up'));
        ALTER TABLE channels.messages
            ALTER COLUMN purpose DROP DEFAULT,
            ALTER COLUMN fallbacks DROP DEFAULT,
            ALTER COLUMN when_unknown DROP DEFAULT;
        CREATE INDEX ix_messages_person_id ON channels.messages (person_id);
        CREATE INDEX ix_messages_contact_id ON channels.messages (contact_id, id);
        CREATE INDEX ix_messages_after_id ON channels.messages (after_id);
        CREATE INDEX ix_messages_provider_id ON channels.messages (provider_id);

        CREATE TABLE channels.consents (
            id uuid CONSTRAINT pk_consents PRIMARY KEY,
            person_id uuid NOT NULL,
            channel text NOT NULL,
            purpose text NOT NULL,
            allowed boolean NOT NULL,
            source text NOT NULL,
            at timestamptz NOT NULL
        );
        CREATE INDEX ix_consents_person_id ON channels.consents (person_id, channel, purpose, id);

        CREATE TABLE channels.opt_outs (
            id uuid CONSTRAINT pk_opt_outs PRIMARY KEY,
            channel text NOT NULL,
            address text NOT NULL,
            source text NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT uq_opt_outs_channel_address UNIQUE (channel, address)
        );

        CREATE TABLE channels.push_targets (
            id uuid CONSTRAINT pk_push_targets PRIMARY KEY,
            person_id uuid NOT NULL,
            kind text NOT NULL CONSTRAINT ck_push_targets_kind CHECK (kind IN ('fcm', 'web')),
            token text NOT NULL,
            p256dh text,
            auth text,
            created_at timestamptz NOT NULL,
            seen_at timestamptz NOT NULL,
            CONSTRAINT uq_push_targets_kind_token UNIQUE (kind, token)
        );
        CREATE INDEX ix_push_targets_person_id ON channels.push_targets (person_id);

        CREATE TABLE channels.notices (
            id uuid CONSTRAINT pk_notices PRIMARY KEY,
            person_id uuid NOT NULL,
            title text NOT NULL,
            body text NOT NULL,
            url text NOT NULL,
            created_at timestamptz NOT NULL,
            read_at timestamptz
        );
        CREATE INDEX ix_notices_person_id ON channels.notices (person_id, id);
        CREATE INDEX ix_notices_unread ON channels.notices (person_id) WHERE read_at IS NULL;

        CREATE TABLE channels.received (
            id uuid CONSTRAINT pk_received PRIMARY KEY,
            provider text NOT NULL,
            body text NOT NULL,
            error text,
            created_at timestamptz NOT NULL
        );

        CREATE TABLE channels.inbound (
            id uuid CONSTRAINT pk_inbound PRIMARY KEY,
            number bigint GENERATED ALWAYS AS IDENTITY,
            contact_id uuid NOT NULL CONSTRAINT fk_inbound_contact_id_chat_contacts
                REFERENCES channels.chat_contacts ON DELETE CASCADE,
            provider text NOT NULL,
            external_id text NOT NULL,
            kind text NOT NULL,
            content jsonb NOT NULL,
            media text CONSTRAINT ck_inbound_media CHECK (media IN ('waiting', 'stored', 'failed')),
            media_error text,
            file_id uuid,
            sent_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL,
            handled_at timestamptz,
            CONSTRAINT uq_inbound_provider_external_id UNIQUE (provider, external_id)
        );
        CREATE INDEX ix_inbound_contact_id ON channels.inbound (contact_id, id);
        CREATE INDEX ix_inbound_unhandled ON channels.inbound (contact_id, sent_at, number)
            WHERE handled_at IS NULL;

        CREATE TABLE channels.conversations (
            id uuid CONSTRAINT pk_conversations PRIMARY KEY,
            contact_id uuid NOT NULL CONSTRAINT fk_conversations_contact_id_chat_contacts
                REFERENCES channels.chat_contacts ON DELETE CASCADE,
            flow text NOT NULL,
            version bigint NOT NULL,
            state text NOT NULL,
            memory jsonb NOT NULL,
            mode text NOT NULL CONSTRAINT ck_conversations_mode CHECK (mode IN ('flow', 'person', 'ended')),
            serial bigint NOT NULL,
            due_at timestamptz,
            handed_at timestamptz,
            answered_by uuid,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        );
        CREATE INDEX ix_conversations_contact_id ON channels.conversations (contact_id);
        CREATE UNIQUE INDEX uq_conversations_open ON channels.conversations (contact_id) WHERE mode <> 'ended';
        CREATE INDEX ix_conversations_due ON channels.conversations (due_at) WHERE mode = 'flow';
    """)
