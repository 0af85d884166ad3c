// What npm's hdr-histogram-js reads in a log: one JSON line an interval. Arguments: node_modules, the log.
"use strict";
const fs = require("fs");
const path = require("path");
const hdr = require(path.join(process.argv[2], "hdr-histogram-js"));

const reader = new hdr.HistogramLogReader(fs.readFileSync(process.argv[3], "utf8"), 64);
for (let histogram; (histogram = reader.nextIntervalHistogram()) !== null;) {
  const percentiles = {};
  for (const percent of [50, 90, 99, 99.9, 99.99, 100])
    percentiles[percent] = histogram.getValueAtPercentile(percent);
  const slots = [];
  for (let i = 0; i < histogram.countsArrayLength; i++)
    if (histogram.getCountAtIndex(i) > 0)
      slots.push([histogram.valueFromIndex(i), histogram.getCountAtIndex(i)]);
  console.log(JSON.stringify({
    tag: histogram.tag, from: histogram.startTimeStampMsec, to: histogram.endTimeStampMsec, count: histogram.totalCount, digits: histogram.numberOfSignificantValueDigits,
    lowest: histogram.lowestDiscernibleValue, highest: histogram.highestTrackableValue, percentiles, slots,
  }));
}
