"""Load on a running Sluis: `bench` measures it beside a bare route, `load` plays a busy day against it."""
