"""What the browser tests are made of: Chromium, the guard over its pages, the shops that it looks at, and the list of all pages."""
