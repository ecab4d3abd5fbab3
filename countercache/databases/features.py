"""What an engine can do, where the work is planned by it. The defaults are what every engine can."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class BlockScan(StrEnum):
    """How a table can be read in blocks by where its rows lie: not at all, by its pages, or by its row numbers."""

    NONE = "none"
    PAGES = "pages"
    ROWIDS = "rowids"


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine can do.

    `reads_parts_together`: it works side by side on parts of a table that are joined in one query.
    `reads_ranges_cheaply`: a range of entities costs little where an index has them in order, also in a pass that
    brings together what belongs to one entity.
    `reads_rows`: it may not add values itself that are no whole numbers or decimals, nor those of an entity: their
    rows are read.
    `shares_scans`: it can read a whole table twice at the same time, each time for half of the entities.
    `has_typed_columns`: a column's type decides what it takes for equal, not what a row holds.
    `one_snapshot`: all statements of a connection read one snapshot.
    `reads_final`: it has tables in which rows wait to be replaced, and can leave them out; see `Database.read_final`.
    """

    block_scan: BlockScan = BlockScan.NONE
    reads_parts_together: bool = False
    reads_ranges_cheaply: bool = False
    reads_rows: bool = False
    shares_scans: bool = False
    has_typed_columns: bool = True
    one_snapshot: bool = True
    reads_final: bool = False
