// The icons that templates may name. Add one here (a name of lucide.dev) and build.
export const icons = `
activity alert-circle alert-triangle arrow-down-left arrow-left arrow-right arrow-up-right badge-check ban banknote bell
book-open bot building-2 calendar camera car chart-column check chevron-down chevron-left chevron-right
circle-check circle-help circle-x clipboard-list clock cloud-off coins copy credit-card database download
ellipsis external-link eye eye-off file-text filter flag fuel gauge gift globe graduation-cap hand-coins
headphones history house image inbox indian-rupee info key-round landmark languages layers layout-dashboard
life-buoy link list loader-circle lock log-in log-out mail map-pin menu message-circle mic minus monitor moon
package palette pause pencil percent phone piggy-bank play plus qr-code receipt refresh-cw rotate-ccw
route scale search send server settings shield shield-check shopping-bag sliders-horizontal smartphone sparkles
star store sun tag target ticket timer trash-2 trending-down trending-up triangle-alert undo-2 upload user
user-plus users wallet wand-sparkles webhook wifi-off wrench x zap
`.trim().split(/\s+/);

/** Icons that point along the line of reading: mirrored where it runs from right to left. */
export const directional = ["arrow-left", "arrow-right", "chevron-left", "chevron-right", "log-in", "log-out", "send", "arrow-up-right", "arrow-down-left", "undo-2"];
