"""WHAT WE HAND OVER: a run's report as one HTML file and as JSON.

`model.Report` holds everything that a report shows; `html.render` and `json.render` are pure functions of it. What is
read from the records, and how, stands in `vetting.orchestrator.gathering`.
"""
