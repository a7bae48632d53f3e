"""One file per kind of destination: compose a request from a record, judge the answer."""
