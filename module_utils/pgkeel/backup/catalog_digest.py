"""What is defined in a database, each object as one short digest: definitions, owners, privileges, comments, roles.

A restore must give every object back as it was. Digests are compared, not texts: a manifest then shows no application's code.
"""
# ruff: noqa: S608 - put together from texts of this file alone

from __future__ import annotations

import hashlib
import re
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

Session = psycopg.Connection[TupleRow]
DIGEST_CHARACTERS = 16
# The parser writes `x IN ('a')` on a varchar with its casts elsewhere after a dump and a restore; the meaning is the same.
CAST = re.compile(
    r'::(?:"[^"]+"|[A-Za-z_]\w*)(?:\.(?:"[^"]+"|\w+))*'
    r"(?: varying| precision| with(?:out)? time zone)*(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])*"
)
PARENTHESES = re.compile(r"[()]")

OWN = """
  WITH member AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
  ), space AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_catalog.pg_namespace n
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_namespace'::regclass AND m.objid = n.oid)
  ), rel AS (
    SELECT c.*, s.nspname FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace
    WHERE c.relpersistence <> 't'
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_class'::regclass AND m.objid = c.oid)
  )
"""


def _privileges(acl: LiteralString, kind: LiteralString, owner: LiteralString) -> LiteralString:
    """Sorted grants by name, defaults written out: a null and the same privileges spelled out are one."""
    return (
        "ARRAY(SELECT concat_ws(' ', CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(grantee)::text END,"
        f" privilege_type, is_grantable) FROM pg_catalog.aclexplode(coalesce({acl}, pg_catalog.acldefault('{kind}', {owner})))"
        " ORDER BY 1)"
    )


# One row an object: its kind and name, and then whatever makes it what it is. search_path is empty: every name is qualified.
# Of a restore's own making, and therefore not compared: the order of options (WITH CHECK OPTION comes last), the position in the
# write-ahead log that PostgreSQL 17.12 and later note among a column's options (pg_attver: when the column was defined; no dump
# has it), a replica identity by an index that was dropped since (no dump has that either), the order of columns in a table that
# inherits (the parents' come first), and the foreign keys that one of a partitioned table, or to one, brings along for each
# partition: their names count in the order of the partitions.
QUERIES: tuple[LiteralString, ...] = (
    f"""SELECT 'schema', nspname, pg_get_userbyid(nspowner), {_privileges("nspacl", "n", "nspowner")} FROM space""",
    f"""
    SELECT 'relation', concat_ws('.', nspname, relname), relkind, relpersistence, pg_get_userbyid(relowner),
      CASE WHEN relkind IN ('r','p','v','m','f')
           THEN {_privileges("relacl", "r", "relowner")}
           WHEN relkind = 'S' THEN {_privileges("relacl", "s", "relowner")} END,
      (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(reloptions) o), relrowsecurity, relforcerowsecurity,
      CASE WHEN relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = rel.oid AND i.indisreplident)
           THEN 'd' ELSE relreplident END,
      relispartition, pg_get_expr(relpartbound, oid), CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END,
      (SELECT amname FROM pg_am a WHERE a.oid = relam),
      ARRAY(SELECT inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = rel.oid ORDER BY inhseqno),
      CASE WHEN relkind IN ('v','m') THEN pg_get_viewdef(oid) END,
      (SELECT row(s.*)::text FROM (SELECT seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle
         FROM pg_sequence WHERE seqrelid = rel.oid) s)
    FROM rel WHERE relkind IN ('r','p','v','m','f','S','c')
    """,
    f"""
    SELECT 'column', concat_ws('.', nspname, relname, attname),
      CASE WHEN relispartition OR NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = rel.oid)
           THEN row_number() OVER (PARTITION BY rel.oid ORDER BY attnum) END,
      format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
      (SELECT concat_ws('.', collnamespace::regnamespace::text, collname) FROM pg_collation o WHERE o.oid = attcollation),
      attstorage, attcompression,
      (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(attoptions) o WHERE NOT starts_with(o, 'pg_attver=')),
      CASE WHEN attacl IS NOT NULL THEN {_privileges("attacl", "c", "relowner")} END,
      (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef d WHERE d.adrelid = rel.oid AND d.adnum = attnum)
    FROM rel JOIN pg_attribute ON attrelid = rel.oid
    WHERE relkind IN ('r','p','v','m','f','c') AND attnum > 0 AND NOT attisdropped
    """,
    # Of those that a dump carries: one that CREATE INDEX CONCURRENTLY left half built is no part of a backup.
    """
    SELECT 'index', concat_ws('.', rel.nspname, c.relname), pg_get_indexdef(indexrelid), indisclustered, indisreplident,
      c.reloptions
    FROM pg_index JOIN rel ON rel.oid = indrelid JOIN pg_class c ON c.oid = indexrelid
    WHERE (indisvalid OR rel.relkind = 'p') AND indisready
    """,
    """
    SELECT 'constraint', concat_ws('.', rel.nspname, rel.relname, conname), contype, condeferrable, condeferred, convalidated,
      pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN rel ON rel.oid = conrelid
    WHERE contype <> 'f' OR conparentid = 0
    """,
    """
    SELECT 'trigger', concat_ws('.', nspname, relname, tgname), pg_get_triggerdef(t.oid), tgenabled
    FROM pg_trigger t JOIN rel ON rel.oid = tgrelid WHERE NOT tgisinternal
    """,
    """
    SELECT 'rule', concat_ws('.', nspname, relname, rulename), pg_get_ruledef(r.oid), ev_enabled
    FROM pg_rewrite r JOIN rel ON rel.oid = ev_class WHERE rulename <> '_RETURN'
    """,
    """
    SELECT 'policy', concat_ws('.', nspname, relname, polname), polcmd, polpermissive,
      ARRAY(SELECT CASE r WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(r)::text END FROM unnest(polroles) r ORDER BY 1),
      pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
    FROM pg_policy JOIN rel ON rel.oid = polrelid
    """,
    f"""
    SELECT 'routine', concat(nspname, '.', proname, '(', pg_get_function_identity_arguments(p.oid), ')'), prokind,
      pg_get_userbyid(proowner), {_privileges("proacl", "f", "proowner")}, pg_get_function_arguments(p.oid),
      pg_get_function_result(p.oid), (SELECT lanname FROM pg_language l WHERE l.oid = prolang), provolatile, proparallel,
      proisstrict, prosecdef, proleakproof, procost, prorows, proconfig, md5(prosrc), probin, pg_get_function_sqlbody(p.oid),
      (SELECT concat_ws(' ', aggkind, aggtransfn::text, aggfinalfn::text, aggcombinefn::text, aggtranstype::regtype, agginitval)
         FROM pg_aggregate a WHERE a.aggfnoid = p.oid)
    FROM pg_proc p JOIN space s ON s.oid = pronamespace
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_proc'::regclass AND m.objid = p.oid)
    """,
    f"""
    SELECT 'type', concat_ws('.', nspname, typname), typtype, pg_get_userbyid(typowner), {_privileges("typacl", "T", "typowner")},
      ARRAY(SELECT enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY enumsortorder),
      CASE WHEN typtype = 'd' THEN format_type(typbasetype, typtypmod) END, typnotnull, typdefault,
      ARRAY(SELECT concat_ws(' ', conname, pg_get_constraintdef(k.oid)) FROM pg_constraint k WHERE k.contypid = t.oid ORDER BY 1),
      (SELECT rngsubtype::regtype FROM pg_range r WHERE r.rngtypid = t.oid)
    FROM pg_type t JOIN space s ON s.oid = typnamespace
    WHERE typelem = 0 AND (typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = typrelid AND c.relkind = 'c'))
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_type'::regclass AND m.objid = t.oid)
    """,
    """
    SELECT 'statistics', concat_ws('.', nspname, stxname), pg_get_statisticsobjdef(t.oid), pg_get_userbyid(stxowner)
    FROM pg_statistic_ext t JOIN space s ON s.oid = stxnamespace
    """,
    # Columns by name: a restore counts them anew where one was dropped.
    """
    SELECT 'publication', pubname, pg_get_userbyid(pubowner), puballtables, pubinsert, pubupdate, pubdelete, pubtruncate,
      pubviaroot,
      ARRAY(SELECT concat_ws(' ', prrelid::regclass,
          (SELECT string_agg(attname::text, ' ' ORDER BY attname) FROM pg_attribute
             WHERE attrelid = prrelid AND attnum = ANY (prattrs)), pg_get_expr(prqual, prrelid))
        FROM pg_publication_rel WHERE prpubid = p.oid
        UNION ALL
        SELECT concat_ws(' ', 'schema', pnnspid::regnamespace) FROM pg_publication_namespace WHERE pnpubid = p.oid
        ORDER BY 1)
    FROM pg_publication p
    """,
    """
    SELECT 'event trigger', evtname, evtevent, evtenabled, evtfoid::regproc, evttags, pg_get_userbyid(evtowner)
    FROM pg_event_trigger e
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_event_trigger'::regclass AND m.objid = e.oid)
    """,
    """
    SELECT 'default privileges', concat_ws(' ', pg_get_userbyid(defaclrole), defaclnamespace::regnamespace, defaclobjtype),
      ARRAY(SELECT concat_ws(' ', CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END, privilege_type,
        is_grantable) FROM aclexplode(defaclacl) ORDER BY 1)
    FROM pg_default_acl
    """,
    """
    SELECT 'foreign server', srvname, pg_get_userbyid(srvowner), srvtype, srvversion, fdwname
    FROM pg_foreign_server JOIN pg_foreign_data_wrapper f ON f.oid = srvfdw
    """,
    # Not those of other sessions' temporary tables, nor of subscriptions, which are not restored; nor of the schema public, whose
    # comment no dump carries when it is the usual one, and which has another oid where it was made anew.
    """
    SELECT concat_ws(' ', 'comment on', i.type), i.identity, md5(d.description)
    FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) i
    WHERE d.objoid >= 16384
      AND d.classoid <> ALL (ARRAY['pg_catalog.pg_largeobject'::regclass, 'pg_catalog.pg_subscription'::regclass]::oid[])
      AND i.identity !~ '(^| )pg_temp_[0-9]+[.]' AND concat_ws(' ', i.type, i.identity) <> 'schema public'
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = d.classoid AND m.objid = d.objoid)
      AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.oid = d.objoid)
    """,
)

ROLES = """
  SELECT 'role', rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
    rolconnlimit,
    rolpassword IS NOT NULL, rolvaliduntil::text,
    ARRAY(SELECT concat_ws(' ', pg_get_userbyid(roleid), admin_option, inherit_option, set_option)
      FROM pg_catalog.pg_auth_members m WHERE m.member = a.oid ORDER BY 1),
    ARRAY(SELECT unnest(setconfig) FROM pg_catalog.pg_db_role_setting s WHERE s.setrole = a.oid AND s.setdatabase = 0 ORDER BY 1)
  FROM pg_catalog.pg_authid a WHERE rolname !~ '^pg_'
"""


def read_catalog(session: Session) -> dict[str, str]:
    """A digest by object, ``relation public.User``; in the caller's transaction, with ``search_path`` empty."""
    found: dict[str, str] = {}
    for query in (OWN + query for query in QUERIES):
        found |= _digests(session, query)
    return found | read_roles(session)


def read_roles(session: Session) -> dict[str, str]:
    """A digest by role, ``role app``: attributes, memberships, settings; never a password."""
    return _digests(session, ROLES)


def _digests(session: Session, query: LiteralString) -> dict[str, str]:
    found: dict[str, str] = {}
    # Two share a label where names hold dots: table "b.c" of schema "a", and table "c" of schema "a.b". Both count.
    shared: dict[str, list[str]] = {}
    for kind, name, *parts in session.execute(query):
        label, own = f"{kind} {name}", digest(parts)
        if label in found:
            shared.setdefault(label, [found[label]]).append(own)
        found[label] = own
    return found | {label: digest(sorted(digests)) for label, digests in shared.items()}


def digest(parts: list[Any]) -> str:
    """Sixteen hex digits of what defines an object; casts, parentheses and blanks do not count."""
    texts = [" ".join(PARENTHESES.sub("", CAST.sub("", str(part))).split()) for part in parts]
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()[:DIGEST_CHARACTERS]
