"""The report: one HTML file about runs. `page/` holds its template, style and script."""
