import { useAssets } from './render';

/** The icons in `assets/icons.svg`. `scripts/icons.ts` builds the sprite from this list of names in lucide-static. */
export const iconNames = [
  'activity',
  'archive',
  'archive-restore',
  'arrow-down',
  'arrow-up',
  'chart-column',
  'chevron-left',
  'chevron-right',
  'chevrons-up-down',
  'circle-alert',
  'circle-check',
  'copy',
  'download',
  'ellipsis',
  'external-link',
  'file',
  'folder',
  'info',
  'key-round',
  'keyboard',
  'log-in',
  'log-out',
  'menu',
  'monitor',
  'moon',
  'paperclip',
  'pencil',
  'pin',
  'pin-off',
  'play',
  'plus',
  'power',
  'refresh-cw',
  'search',
  'settings',
  'settings-2',
  'shield',
  'square',
  'square-pen',
  'sun',
  'trash-2',
  'user',
  'x',
] as const;

export type IconName = (typeof iconNames)[number];

/** A decorative icon: the control around it carries the label. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" aria-hidden="true" width="18" height="18">
      <use href={`${useAssets()('icons.svg')}#${name}`} />
    </svg>
  );
}

/** The product's mark: three layers, the top one lit. */
export function Mark() {
  return (
    <svg class="mark" aria-hidden="true" width="26" height="26">
      <use href={`${useAssets()('icons.svg')}#mark`} />
    </svg>
  );
}
