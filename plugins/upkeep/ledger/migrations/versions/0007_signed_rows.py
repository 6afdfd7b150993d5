"""Signed rows: a chain of signatures over shown, decisions, permits and receipts; permits that the ledger checks."""

from alembic import op

revision = "0007"
down_revision = "0006"

_CHANGES = (
    """
    CREATE TABLE upkeep.signatures (
        entry bigint PRIMARY KEY CHECK (entry > 0),
        place text NOT NULL CHECK (place IN ('shown', 'decisions', 'permits', 'receipts')),
        row_id bigint NOT NULL,
        digest text NOT NULL REFERENCES upkeep.plans (digest),
        key_id text NOT NULL,
        signed_at timestamptz NOT NULL,
        signature text NOT NULL,
        UNIQUE (place, row_id)
    )
    """,
    "CREATE INDEX signatures_digest_idx ON upkeep.signatures (digest, entry)",
    # Up to which row each table was written before rows were signed: `ledger verify` tells those from added ones.
    "CREATE TABLE upkeep.before_signatures (place text PRIMARY KEY, last_id bigint NOT NULL)",
    """
    INSERT INTO upkeep.before_signatures (place, last_id)
    SELECT 'shown', coalesce(max(id), 0) FROM upkeep.shown
    UNION ALL SELECT 'decisions', coalesce(max(id), 0) FROM upkeep.decisions
    UNION ALL SELECT 'permits', coalesce(max(id), 0) FROM upkeep.permits
    UNION ALL SELECT 'receipts', coalesce(max(id), 0) FROM upkeep.receipts
    """,
    "CREATE INDEX decisions_digest_idx ON upkeep.decisions (digest)",
    # The second lock behind apply's own look (docs/gate.md, rule 11). The two clocks may differ by a minute. It runs as
    # whoever adds the permit and looks at nothing but catalogue functions and names with their schema.
    """
    CREATE FUNCTION upkeep.permit_holds() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        body jsonb;
        action jsonb;
        missing text;
        approvers bigint;
    BEGIN
        SELECT p.body::jsonb INTO body FROM upkeep.plans p
        WHERE p.digest = NEW.digest AND p.purpose = 'plan'
          AND p.digest = encode(sha256(convert_to(p.body, 'UTF8')), 'hex');
        SELECT a.item INTO action FROM jsonb_array_elements(body -> 'actions') AS a (item)
        WHERE a.item ->> 'id' = NEW.action_id;
        IF action IS NULL THEN
            RAISE EXCEPTION 'no plan with this digest holds action %', NEW.action_id USING ERRCODE = 'check_violation';
        END IF;
        IF clock_timestamp() < (body ->> 'not_before')::timestamptz - interval '1 minute' THEN
            RAISE EXCEPTION 'by its own clock it is before %', body ->> 'not_before' USING ERRCODE = 'check_violation';
        END IF;
        IF clock_timestamp() >= (body ->> 'not_after')::timestamptz + interval '1 minute' THEN
            RAISE EXCEPTION 'by its own clock it is after %', body ->> 'not_after' USING ERRCODE = 'check_violation';
        END IF;
        SELECT string_agg(r.role, ', ' ORDER BY r.role), (SELECT count(DISTINCT d.person) FROM upkeep.decisions d
                                          WHERE d.digest = NEW.digest AND action -> 'roles' ? d.role
                                            AND NEW.action_id = ANY (d.action_ids))
        INTO missing, approvers
        FROM jsonb_array_elements_text(action -> 'roles') AS r (role)
        WHERE NOT EXISTS (SELECT FROM upkeep.decisions d
                          JOIN upkeep.signatures s ON s.place = 'decisions' AND s.row_id = d.id
                          WHERE d.digest = NEW.digest AND d.role = r.role AND NEW.action_id = ANY (d.action_ids)
                            AND d.responded_at < (body ->> 'not_after')::timestamptz);
        IF missing IS NOT NULL OR jsonb_array_length(action -> 'roles') = 0 THEN
            RAISE EXCEPTION 'it has no signed approval of %', coalesce(missing, 'anybody')
                USING ERRCODE = 'check_violation';
        END IF;
        IF approvers < jsonb_array_length(action -> 'roles') THEN
            RAISE EXCEPTION 'one person approved for two roles' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END
    $$
    """,
    """
    CREATE TRIGGER permit_holds BEFORE INSERT ON upkeep.permits
        FOR EACH ROW EXECUTE FUNCTION upkeep.permit_holds()
    """,
)


def upgrade() -> None:
    """Rows from before stay readable and count for nothing any more: what they let run is asked anew."""
    for statement in _CHANGES:
        op.execute(statement)
