"""One small pure mapping a feed: raw_cdr rows in, received fields out."""

from tollgate.mediation.dialects.history_json import HISTORY_JSON
from tollgate.mediation.dialects.native_json import NATIVE_JSON
from tollgate.mediation.dialects.voip_json import VOIP_JSON

# A new feed is a mapping of its own and its name here; ref_source says which source speaks which dialect.
DIALECTS = (NATIVE_JSON, VOIP_JSON, HISTORY_JSON)
