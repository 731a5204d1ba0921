// Horizontal bars in SVG: readable on light and dark ground, without a library.

const WIDTH = 960;
const NAME_WIDTH = 430;
const BAR_HEIGHT = 16;
const ROW_HEIGHT = 22;
const TITLE_HEIGHT = 34;
const VALUE_WIDTH = 120;

const escapeText = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

function bars({ title, rows, color }, top) {
  const largest = Math.max(...rows.map(({ value }) => value));
  const scale = (WIDTH - NAME_WIDTH - VALUE_WIDTH) / largest;
  const lines = rows.map(({ name, value, label }, at) => {
    const y = top + TITLE_HEIGHT + at * ROW_HEIGHT;
    const width = Math.max(1, value * scale);
    return (
      `<text x="${NAME_WIDTH - 8}" y="${y + 13}" text-anchor="end">${escapeText(name)}</text>` +
      `<rect x="${NAME_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2" fill="${color}"/>` +
      `<text x="${(NAME_WIDTH + width + 6).toFixed(1)}" y="${y + 13}">${escapeText(label)}</text>`
    );
  });
  return `<text x="8" y="${top + 20}" font-weight="bold" font-size="15">${escapeText(title)}</text>\n${lines.join('\n')}`;
}

/**
 * Draws groups of bars, one below the other, each with its own scale.
 * @param groups `{title, color, rows: {name, value, label}[]}[]`
 */
export function barChart(groups, caption) {
  let top = 8;
  const parts = [];
  for (const group of groups) {
    parts.push(bars(group, top));
    top += TITLE_HEIGHT + group.rows.length * ROW_HEIGHT + 14;
  }
  const height = top + 24;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="12">
<style>text { fill: #1f2937 } @media (prefers-color-scheme: dark) { text { fill: #e5e7eb } }</style>
${parts.join('\n')}
<text x="8" y="${height - 10}" opacity="0.7">${escapeText(caption)}</text>
</svg>
`;
}
