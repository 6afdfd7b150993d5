-- Messages that are that old and wait no longer, unless an alert that is kept was told by them. The newest that each
-- channel took stays, and so does a dead letter that none has followed: by them one knows whether it takes messages.
DELETE FROM upkeep.outbox o
WHERE o.state <> 'due' AND o.made_at < %(before)s
      AND NOT EXISTS (SELECT FROM upkeep.tellings t WHERE t.outbox_id = o.id)
      AND EXISTS (
          SELECT FROM upkeep.outbox s
          WHERE s.channel = o.channel AND s.state = 'sent'
                AND (s.sent_at, s.id) > (coalesce(o.sent_at, o.failed_at, o.made_at), o.id)
      )
