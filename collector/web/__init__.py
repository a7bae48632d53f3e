"""HTTP: the public collector, the browser SDK and the demo shop."""
